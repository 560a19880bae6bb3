"""What runs in a Spark task of each rank, beside the process that trains."""

"""What runs in the process that trains. Nothing of Spark, Hydra or MLflow can be imported here."""

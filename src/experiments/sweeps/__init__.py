"""Many trials of one command: planned and checked first, threads of one Spark session, recorded as one parent."""

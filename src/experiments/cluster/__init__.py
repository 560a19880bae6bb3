"""Where Spark runs: its session, its Java, and our package on its machines. Mirrors conf/cluster."""

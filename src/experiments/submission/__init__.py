"""A run whose driver is in the cluster: handed over by spark-submit, waited for, and told with its true status."""

HELP = """Run one experiment whose driver is in the cluster too, and wait for it (cluster=yarn cluster.environment=…).

\b
  experiments pack --driver --to hdfs:///environment.tar.gz            once: Python's packages
  experiments submit cluster=yarn cluster.environment=hdfs:///environment.tar.gz model=ridge \\
      tracking=server tracking.uri=http://HOST:5000

HADOOP_CONF_DIR says where the cluster is. The words are checked here first; then spark-submit brings the driver
there, with this package and the composed config. Runs are recorded on a server that the cluster reaches, with what
MLFLOW_… and AWS_… in the environment say of it. The exit code is that of the run. Ctrl-C ends it there too.
"""

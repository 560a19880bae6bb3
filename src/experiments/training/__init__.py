"""One neural network, trained by several processes inside one Spark job, to the weights that one comes to.

`launch` runs on the driver; `task` in a Spark task of each rank; `worker` in a process of its own beside it, which
imports neither Spark, Hydra nor MLflow.
"""

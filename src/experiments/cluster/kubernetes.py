"""What Kubernetes says of the pods that an application waits for: Spark itself waits without a word."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEME = "k8s://"
IMAGE = "spark.kubernetes.container.image"
_OF_EXECUTORS = "spark.kubernetes.executor.container.image"
_NAMESPACE = "spark.kubernetes.namespace"


def check_kubernetes(settings: Mapping[str, str]) -> list[str]:
    """A sentence for what Spark would find missing only once it has started.

    Args:
        settings: as Spark takes them.
    """
    if settings.get(IMAGE) or settings.get(_OF_EXECUTORS):
        return []
    return [
        f"cluster.conf.{IMAGE} must name the image of the executors, got none; one with PySpark's version of Spark: "
        f"cluster.conf.{IMAGE}=apache/spark:4.2.1"
    ]


def address(master: str) -> str:
    """Of the API, from a master such as k8s://https://api:6443; Spark takes one without a scheme for https."""
    rest = master.removeprefix(SCHEME)
    return rest if "://" in rest else f"https://{rest}"


def said_of_pods(session: SparkSession) -> str:
    """Why executors' pods do not run yet, each reason once; empty where Kubernetes has none or does not say."""
    context = session.sparkContext
    reasons: dict[str, None] = {}
    with contextlib.suppress(Exception):  # asking is a courtesy
        api = context._jvm.io.fabric8.kubernetes.client
        config = api.Config.autoConfigure(None)
        config.setMasterUrl(address(context.master))
        cluster = api.KubernetesClientBuilder().withConfig(config).build()
        try:
            asked = cluster.pods().inNamespace(context.getConf().get(_NAMESPACE, "default"))
            for pod in asked.withLabel("spark-app-selector", context.applicationId).list().getItems():
                reasons |= dict.fromkeys(_reasons(pod.getStatus()))
        finally:
            cluster.close()
    return "; ".join(reasons)


def _reasons(status: Any) -> list[str]:
    """Of one pod: it has no machine, or its container does not start."""
    found = [each for each in status.getConditions() if each.getReason() == "Unschedulable"]
    waiting = [each.getState().getWaiting() for each in status.getContainerStatuses()]
    found += [each for each in waiting if each is not None]
    return [f"{each.getReason()}: {each.getMessage()}" if each.getMessage() else each.getReason() for each in found]

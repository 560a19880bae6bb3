"""What can be known to be wrong with a cluster's settings before Java starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from experiments.cluster import kubernetes, yarn
from experiments.cluster.addresses import LOCAL
from experiments.cluster.existing import EXISTING, check_existing, is_handed_over
from experiments.config.schema import ClusterConfig
from experiments.config.values import PACKAGES, SHORT
from experiments.errors import suggest

# Spark's own law, as its own start says it: below it ends.
_LEAST_BYTES = 471_859_200
_BYTES = {"b": 1, "k": 1 << 10, "": 1 << 20, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_SIZE = re.compile(r"(\d+)([bkmgtp]?)b?")


def bytes_of(size: str) -> int:
    """Of memory as Spark takes it, as 4g and 512m; 0 where that is no size."""
    read = _SIZE.fullmatch(size.strip().lower())
    return int(read[1]) * _BYTES[read[2]] if read else 0


def check_cluster(cluster: ClusterConfig, settings: Mapping[str, str]) -> list[str]:
    """A sentence for each setting with which Spark does not start, or that it would not heed.

    Args:
        settings: as Spark takes them.
    """
    if is_handed_over():  # it was checked where it was handed over
        return []
    if wrong := check_master(cluster.master):
        return wrong
    problems = [*_check_executors(cluster, settings), *_check_packages(cluster.packages)]
    for key in ("spark.driver.memory", "spark.executor.memory"):
        value = settings.get(key, "").strip().lower()
        read = _SIZE.fullmatch(value)
        if read is None or bytes_of(value) >= _LEAST_BYTES:
            continue
        got = f"'{value}'" if read[2] else f"'{value}', which Spark reads as MiB"
        meant = f"{value}g" if not read[2] and 0 < int(value) <= 64 else "4g"
        short = next(short for short, long in SHORT.items() if long == key)
        name = f"conf.{key}" if key in cluster.conf else short
        problems.append(f"cluster.{name} must be 450m or more, got {got}; write cluster.{name}={meant}")
    return problems


# As Spark reads them; other addresses may be those of managers that people add to it.
_MASTER = re.compile(
    LOCAL + r"|local-cluster\[\s*\d+\s*,\s*\d+\s*,\s*\d+\s*\]|yarn|existing|"
    r"(spark|k8s)://.+|(?!sc:)[a-z][a-z0-9+-]*://.+"
)
_MASTERS = "local[*], local[4], local-cluster[2,1,1024], spark://HOST:7077, yarn, k8s://https://HOST:6443 or existing"


def check_master(master: str) -> list[str]:
    """A sentence for an address by which Spark starts nowhere, or only after it has tried for long."""
    if _MASTER.fullmatch(master):
        return []
    if master.startswith("sc:"):
        return [
            f"cluster.master must be a cluster whose driver is in this process, got Spark Connect's '{master}'; name "
            "the cluster itself, such as cluster.master=spark://HOST:7077, or run where its driver is, by "
            "cluster=existing"
        ]
    begun = re.fullmatch(r"(k8s|spark)[:/]+(\S+[:/]\S+|\S+\.\S+)", master)
    if begun:
        meant = f"{begun[1]}://{begun[2]}"
    elif re.fullmatch(r"[\w.-]+:\d+", master):
        meant = f"spark://{master}"
    else:
        meant = re.sub("^yarn-(client|cluster)$", "yarn", master.strip().lower())
    way_out = f"did you mean '{meant}'?" if _MASTER.fullmatch(meant) else "`experiments cluster` lists what there is"
    return [f"cluster.master must be {_MASTERS}, got '{master}'; {way_out}"]


def _check_packages(packages: Sequence[str]) -> list[str]:
    return [
        f"cluster.packages must be short names ({', '.join(PACKAGES)}) or Maven's GROUP:ARTIFACT:VERSION, got '{name}'"
        f"{suggest(name, PACKAGES) or '; cluster.packages=[s3]'}"
        for name in packages
        if name not in PACKAGES and name.count(":") != 2
    ]


def _check_executors(cluster: ClusterConfig, settings: Mapping[str, str]) -> list[str]:
    if cluster.master == EXISTING:
        return check_existing(cluster)
    return _check_local(cluster) if cluster.master.startswith("local") else _check_cluster(cluster, settings)


def _check_local(cluster: ClusterConfig) -> list[str]:
    """What one machine would not heed."""
    ways = {
        "executors": "cluster=local_cluster rehearses several on one machine",
        "environment": "executors of one machine have its own Python",
        "gpus": "on one machine a network takes those that are there",
        "cores": "write cluster.master=local[4]",
        "memory": "write cluster.driver_memory=8g, which is all there is on one machine",
        "memory_overhead": "write cluster.driver_memory=8g, which is all there is on one machine",
    }
    if cluster.master.startswith("local-cluster"):
        ways = dict.fromkeys(ways, "write cluster.master=local-cluster[EXECUTORS,CORES,MEBIBYTES]")
    return [
        f"cluster.{key} must be unset on '{cluster.master}', got {value}; {way_out}"
        for key, way_out in ways.items()
        if (value := getattr(cluster, key)) is not None
    ]


def _check_cluster(cluster: ClusterConfig, settings: Mapping[str, str]) -> list[str]:
    problems = []
    if settings.get("spark.submit.deployMode", "client") != "client":
        problems.append(
            "cluster.conf.spark.submit.deployMode must be left out, got "
            f"'{settings['spark.submit.deployMode']}'; `experiments submit …` has the driver in the cluster"
        )
    if cluster.environment is not None and cluster.python is not None:
        problems.append(
            f"cluster.python must be unset with cluster.environment, which brings Python's packages, got "
            f"{cluster.python}; leave out one of them"
        )
    for key in ("executors", "cores", "gpus"):
        if (count := getattr(cluster, key)) is not None and count < 1:
            problems.append(f"cluster.{key} must be 1 or more, got {count}")
    if cluster.master.startswith("spark://") and cluster.executors is not None and cluster.cores is None:
        problems.append(
            f"cluster.cores must say how many cores each of the {cluster.executors} executors has, as a standalone "
            "cluster counts cores, got none; write cluster.cores=2"
        )
    finds = {f"spark.executor.resource.gpu.{name}" for name in ("discoveryScript", "discoveryPlugin")}
    if cluster.gpus is not None and not cluster.master.startswith("spark://") and not finds & settings.keys():
        problems.append(
            "cluster.conf.spark.executor.resource.gpu.discoveryScript must name a program on the executors' machines "
            "that prints which GPUs they have, got none; Spark's own getGpusResources.sh is one"
        )
    if cluster.master.startswith(kubernetes.SCHEME):
        problems += kubernetes.check_kubernetes(settings)
    if cluster.master == "yarn" and yarn.site() is None:
        got = next((f"{name}={os.environ[name]}" for name in yarn.FOLDERS if os.environ.get(name)), "none")
        problems.append(
            f"HADOOP_CONF_DIR must be set to the folder that has your cluster's {yarn.SITE} for cluster.master=yarn, "
            f"got {got}; export HADOOP_CONF_DIR=/etc/hadoop/conf"
        )
    # An administrator may have said it where we cannot look.
    elsewhere = {"HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_CONF_DIR", "SPARK_HOME"} & os.environ.keys()
    if cluster.shared_folder is None and "spark.hadoop.fs.defaultFS" not in settings and not elsewhere:
        problems.append(no_shared_folder(cluster.master))
    return problems


def no_shared_folder(master: str) -> str:
    """The sentence for a cluster through whose executors no model could pass."""
    return (
        f"cluster.shared_folder must be a folder that the driver and all executors of '{master}' see, got none; "
        f"cluster.shared_folder=/nfs/experiments, or point {default_files(master)} at HDFS or S3"
    )


def default_files(master: str) -> str:
    """The setting that says where paths without a scheme are, as it can be set."""
    return f"{'' if master == EXISTING else 'cluster.conf.'}spark.hadoop.fs.defaultFS" + (
        ", where the session is started," if master == EXISTING else ""
    )

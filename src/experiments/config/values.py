"""A config as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any

from experiments.config.schema import ClusterConfig, Config
from experiments.redaction import redact


def plain(config: Config) -> dict[str, Any]:
    """The config as nested plain values, secrets out, ready for YAML or JSON."""
    values = plain_value(asdict(config))
    # One spelling of Spark's settings, which may be written nested or with dots.
    values["cluster"]["conf"] = spark_conf(config.cluster)
    # Words, among which secrets cannot be told by their keys; what a trial has of them is in its config.
    del values["sweep"]["cases"]
    redacted: dict[str, Any] = redact(values)
    return redacted


def plain_value(value: Any) -> Any:
    """A value with everything below it as JSON has it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    return value


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves as `model.estimator.regParam`, value. Lists are leaves; an empty mapping has none."""
    for key, value in values.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            yield from flatten(value, path)
        else:
            yield path, value


def short_keys(keys: Sequence[str]) -> list[str]:
    """The last word of each key where that is enough to tell them apart."""
    last = [key.rpartition(".")[2] for key in keys]
    return [key if last.count(short) > 1 else short for key, short in zip(keys, last, strict=True)]


# Settings of a cluster that have a short name here.
SHORT = {
    "executors": "spark.executor.instances",
    "cores": "spark.executor.cores",
    "memory": "spark.executor.memory",
    "memory_overhead": "spark.executor.memoryOverhead",
    "gpus": "spark.executor.resource.gpu.amount",
    "driver_memory": "spark.driver.memory",
    "python": "spark.pyspark.python",
}

# Short names of what Spark reads storages with: Maven's coordinates, and what of theirs stays away.
PACKAGES = {
    "s3": (  # of PySpark 4.2, whose Hadoop is 3.5.0; the bundle of all of AWS has 686 MB, these together 18
        (
            "org.apache.hadoop:hadoop-aws:3.5.0",
            "software.amazon.awssdk:s3:2.35.4",
            "software.amazon.awssdk:s3-transfer-manager:2.35.4",
            "software.amazon.awssdk:sts:2.35.4",
        ),
        ("software.amazon.awssdk:bundle", "org.wildfly.openssl:wildfly-openssl"),
    ),
    "gcs": (("org.apache.hadoop:hadoop-gcp:3.5.0",), ()),
    "abfs": (  # without what PySpark brings itself, and natives that are for speed alone
        ("org.apache.hadoop:hadoop-azure:3.5.0",),
        (
            "org.wildfly.openssl:wildfly-openssl",
            "com.fasterxml.jackson.core:jackson-core",
            "com.fasterxml.jackson.core:jackson-databind",
        ),
    ),
}


def _packages(names: Sequence[str]) -> dict[str, str]:
    """The settings by which Spark gets packages from Maven."""
    known = [PACKAGES.get(name, ((name,), ())) for name in names]
    listed = {
        "spark.jars.packages": [coordinates for each, _ in known for coordinates in each],
        "spark.jars.excludes": [coordinates for _, each in known for coordinates in each],
    }
    return {key: ",".join(values) for key, values in listed.items() if values}


# Where executors find the archive of `cluster.environment`, in the folder in which they run.
_UNPACKED = "environment"


def _environment(cluster: ClusterConfig, conf: Mapping[str, Any]) -> dict[str, str]:
    """The settings by which executors get their Python from an archive, beside other archives of the config's; of which
    Python they are, the config may say otherwise."""
    if cluster.environment is None:
        return {}
    archives = [*filter(None, [conf.get("spark.archives")]), f"{cluster.environment}#{_UNPACKED}"]
    python = conf.get(SHORT["python"], f"./{_UNPACKED}/bin/python")
    return {"spark.archives": ",".join(map(str, archives)), SHORT["python"]: python}


def spark_conf(cluster: ClusterConfig) -> dict[str, str]:
    """A cluster's settings as Spark has them: dotted names, texts. Those of `cluster.conf` win, null is none."""
    named = {key: getattr(cluster, name) for name, key in SHORT.items() if getattr(cluster, name) is not None}
    if cluster.master.startswith("spark://") and cluster.executors is not None and cluster.cores is not None:
        named["spark.cores.max"] = cluster.executors * cluster.cores  # what such a cluster goes by
    if cluster.gpus is not None:
        named["spark.task.resource.gpu.amount"] = 1
        if cluster.master.startswith("k8s://"):
            named["spark.executor.resource.gpu.vendor"] = "nvidia.com"
    named |= _packages(cluster.packages)
    conf = dict(flatten(cluster.conf))
    settings = {**named, **conf, **_environment(cluster, conf)}
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in settings.items()
        if value is not None
    }

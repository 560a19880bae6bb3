"""What can be seen on this machine, without Spark: Java, Python, the config, memory."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

from experiments.cluster.checks import bytes_of
from experiments.cluster.java import find_java
from experiments.config.schema import Config
from experiments.config.values import spark_conf
from experiments.doctor.answers import version_of
from experiments.doctor.findings import Finding, State, doubtful, failed, looked, ok
from experiments.validation import validate

OF_DRIVER = ("pyspark", "mlflow", "numpy", "pandas", "pyarrow")
OF_EXTRAS = ("tensorflow", "horovod", "xgboost")
# Of the machine's memory: more of it for Java leaves too little for Python and the system.
MOST_OF_MEMORY = 0.8
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def findings_here(config: Config) -> Iterator[Finding]:
    """Each as it is found."""
    yield from looked("Java", _java)
    yield ok("Python", _python())
    yield from looked("config", lambda: _config(config))
    yield _memory(config)


def _java() -> str:
    java = find_java()
    return f"Java {java.version} ({java.source}) in {java.home}"


def _python() -> str:
    there = [f"{name} {version_of(name)}" for name in OF_DRIVER]
    extras = {name: version_of(name, f"{name}-cpu") for name in OF_EXTRAS}
    there += [f"{name} {version}" for name, version in extras.items() if version]
    missing = [name for name, version in extras.items() if not version]
    without = f"; without {', '.join(missing)}, which not all models need" if missing else ""
    return f"Python {platform.python_version()}, {', '.join(there)}{without}"


def _config(config: Config) -> str:
    validate(config)
    return f"model={config.model.name} data={config.data.name} on '{config.cluster.master}' fit together"


def _memory(config: Config) -> Finding:
    asked = bytes_of(spark_conf(config.cluster).get("spark.driver.memory", "1g"))
    there = memory_of_machine()
    said = f"cluster.driver_memory must leave memory to others, got {gib(asked)} of the {gib(there)} of this machine"
    way_out = f"cluster.driver_memory={max(1, int(there * 0.5) >> 30)}g, or a larger machine"
    if asked > there:
        return failed("memory", f"{said}; {way_out}")
    if asked > MOST_OF_MEMORY * there:
        return doubtful("memory", f"{said}; {way_out}")
    return Finding("memory", State.ok, f"{gib(asked)} for the driver's Java, of {gib(there)}")


def memory_of_machine() -> int:
    """Bytes, or what the container may have of them."""
    limits = [int(text) for path in _LIMITS if path.is_file() and (text := path.read_text().strip()).isdigit()]
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *limits])


def gib(size: float) -> str:
    """Bytes as people read them."""
    return f"{size / (1 << 30):.1f} GiB"

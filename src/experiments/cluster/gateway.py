"""Starts the JVM that Spark will run in. Its settings reach it by a file, as everybody can read a command line."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark import SparkConf

_ARGUMENTS = "PYSPARK_SUBMIT_ARGS"
_ESCAPES = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"} | {sign: f"\\{sign}" for sign in "\\ =:#!"})


def launch(conf: SparkConf, printed: IO[str]) -> Any:
    """PySpark's gateway to a new JVM.

    Args:
        printed: gets what the JVM prints.
    """
    from pyspark.java_gateway import launch_gateway

    before = os.environ.get(_ARGUMENTS)
    # Read by its owner alone, as all that `tempfile` makes, and gone once the JVM has read it.
    with tempfile.NamedTemporaryFile("w", prefix="spark-", suffix=".properties", encoding="utf-8") as file:
        file.write(properties(conf.getAll()))
        file.flush()
        # PySpark has no other way to say it. Where an administrator has settings in `spark-defaults.conf`, they hold.
        own = f"--properties-file {shlex.quote(file.name)} --load-spark-defaults"
        os.environ[_ARGUMENTS] = f"{own} {before or 'pyspark-shell'}"
        try:
            with one_download_at_a_time(conf):
                return launch_gateway(popen_kwargs={"stdout": printed, "stderr": printed})
        finally:
            if before is None:
                os.environ.pop(_ARGUMENTS, None)
            else:
                os.environ[_ARGUMENTS] = before


@contextlib.contextmanager
def one_download_at_a_time(conf: SparkConf) -> Iterator[None]:
    """Of this user on this machine: Spark's downloads of packages break one another's cache.

    Of a home that is not there, or has no locks, nobody is kept waiting.
    """
    with contextlib.ExitStack() as stack:
        if conf.get("spark.jars.packages", None):
            with contextlib.suppress(OSError, RuntimeError):
                home = os.open(Path.home(), os.O_RDONLY)
                stack.callback(os.close, home)
                fcntl.flock(home, fcntl.LOCK_EX)
        yield


def properties(settings: list[tuple[str, str]]) -> str:
    """Settings as Java reads them from a file."""
    return "".join(f"{key.translate(_ESCAPES)}={value.translate(_ESCAPES)}\n" for key, value in settings)

"""The driver in YARN: an application that spark-submit brings there, watched to its end, and killed if we are."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.cluster.defaults import WORKERS_PYTHON, defaults
from experiments.cluster.gateway import properties
from experiments.cluster.java import find_java
from experiments.config.schema import ClusterConfig
from experiments.config.values import spark_conf
from experiments.errors import ExperimentError

# Where the driver finds what was shipped with it, in the folder in which it runs.
UNPACKED = "submission"
_SECONDS_TO_END, _SECONDS_TO_SEE = 60, 20
_ARCHIVES = "spark.yarn.dist.archives"
_VARIABLE = "spark.yarn.appMasterEnv."
# Java reads S3 by these, and has the variables of its own process alone.
_OF_JAVA = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_COMMAND_LINE = ("org.apache.hadoop.yarn.client.cli.ApplicationCLI", "application")

_STATE = re.compile(r"Application report for (application_\d+_\d+) \(state: (\w+)\)")
_PAGE = re.compile(r"\s+tracking URL: (\S+)")
_DIAGNOSTICS = re.compile(r"Application diagnostics message: (.*)")
# States in which an application has ended; and what Spark says when it calls one FAILED that it cannot see.
_LAST = ("FINISHED", "FAILED", "KILLED")
_LOST_SIGHT = "Failed to contact YARN"
_LOGGED = re.compile(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d |Exception in thread|\tat ")
_TOLD = re.compile(r"error|exception|could not|refused", re.IGNORECASE)


@dataclass
class Application:
    """What is known of it.

    Attributes:
        name: its id, empty until YARN has given it one.
        state: YARN's.
        page: where a browser shows it.
        said: why it ended, as YARN says.
        is_left: whether YARN could not be told to end it.
    """

    name: str = ""
    state: str = ""
    page: str = ""
    said: str = ""
    is_left: bool = False


def settings_of(cluster: ClusterConfig, archive: Path, variables: Mapping[str, str], tag: str) -> dict[str, str]:
    """Spark's settings for a driver in the cluster.

    Args:
        archive: what is shipped with it.
        variables: of the environment, for the driver.
        tag: by which the application is found.
    """
    own = spark_conf(cluster)
    # Those of `spark.archives` would be fetched by each executor once more.
    archives = [own.pop("spark.archives", ""), own.get(_ARCHIVES, ""), f"{archive}#{UNPACKED}"]
    path = f"{_VARIABLE}PYTHONPATH"
    return {
        **defaults(cluster.master),
        "spark.app.name": "experiments",
        **{f"{_VARIABLE}{name}": variables[name] for name in _OF_JAVA if name in variables},
        **own,
        path: ":".join(filter(None, [f"{{{{PWD}}}}/{UNPACKED}", own.get(path)])),
        "spark.master": cluster.master,
        "spark.submit.deployMode": "cluster",
        # A driver that fails has closed its run: it would begin again in a closed one.
        "spark.yarn.maxAppAttempts": "1",
        "spark.yarn.submit.waitAppCompletion": "true",
        "spark.yarn.tags": ",".join(filter(None, [own.get("spark.yarn.tags"), tag])),
        _ARCHIVES: ",".join(filter(None, archives)),
    }


def run_in_cluster(
    cluster: ClusterConfig, folder: Path, variables: Mapping[str, str], tell: Callable[[Application], None]
) -> Application:
    """Bring the driver of a folder into the cluster, and wait until its application has ended.

    Args:
        folder: private, with `driver.py` and `submission.zip`.
        variables: of the environment, for the driver.
        tell: is told of the application whenever something is new.

    Raises:
        ExperimentError: it could not be brought there.
        KeyboardInterrupt: as this process was told to end; the application is then killed.
    """
    tag = f"experiments-{uuid.uuid4().hex}"
    settings = settings_of(cluster, folder / "submission.zip", variables, tag)
    file = folder / "spark.properties"
    file.touch(mode=0o600)
    file.write_text(properties(list(settings.items())), encoding="utf-8")
    # Settings of an administrator's `spark-defaults.conf` hold where these say nothing.
    words = ["--properties-file", str(file), "--load-spark-defaults", str(folder / "driver.py")]
    application = Application()
    # A session of its own, as Ctrl-C in a terminal is for us, who then kill what it waits for.
    process = _start("spark-submit", *words)
    try:
        printed = _follow(process, application, tell)
    except BaseException:
        if not application.name:
            _ended(process)
            application.name = _found(tag)
        application.is_left = bool(application.name) and not _is_killed(application.name)
        with contextlib.suppress(subprocess.TimeoutExpired):  # it sees that, and takes its files out of the cluster
            process.wait(_SECONDS_TO_SEE)
        _ended(process)
        tell(application)
        raise
    if process.wait() != 0 and not application.name:
        raise ExperimentError(f"spark-submit must bring the driver to '{cluster.master}', but: {_why(printed)}")
    if application.state not in _LAST or application.said.startswith(_LOST_SIGHT):
        # What we have lost sight of would record on in a run that we close.
        application.is_left = not _is_killed(application.name)
        tell(application)
    return application


def _ended(process: subprocess.Popen[str]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_SECONDS_TO_END)


def _start(program: str, *words: str) -> subprocess.Popen[str]:
    """One of Spark's programs, with the Java that suits it, and not with our own Python's path."""
    from pyspark.find_spark_home import _find_spark_home

    java = find_java()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.Popen(
        [str(Path(_find_spark_home()) / "bin" / program), *words],
        env={**environment, "JAVA_HOME": str(java.home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def _follow(process: subprocess.Popen[str], application: Application, tell: Callable[[Application], None]) -> list[str]:
    """Read what spark-submit says of the application until it ends; returns its lines that tell of errors."""
    told: list[str] = []
    is_diagnostics = False
    assert process.stdout is not None
    for line in process.stdout:
        line = line.rstrip("\n")
        before = (application.name, application.state, application.page)
        if found := _STATE.search(line):
            application.name, application.state = found.groups()
        elif found := _PAGE.match(line):
            application.page = "" if found[1] == "N/A" else found[1]
        if found := _DIAGNOSTICS.search(line):
            application.said, is_diagnostics = found[1].strip(), True
        elif _LOGGED.match(line):
            is_diagnostics = False
        elif is_diagnostics:
            application.said = f"{application.said} {line.strip()}".strip()[:2000]
        if _TOLD.search(line) and not line.startswith("\tat "):
            told.append(line.strip())
        if before != (application.name, application.state, application.page):
            tell(application)
    return told


def _why(told: list[str]) -> str:
    """The exception, which comes last and is the shortest, else what was said of errors."""
    thrown = [line for line in told if "Exception" in line]
    return " ".join((thrown or told)[:3]) or "it ended without a word"


def _is_killed(name: str) -> bool:
    """Have YARN end an application, and wait for it; whether it does."""
    asked = _start("spark-class", *_COMMAND_LINE, "-kill", name)
    with contextlib.suppress(subprocess.TimeoutExpired):
        asked.communicate(timeout=_SECONDS_TO_END)
    return asked.poll() == 0


def _found(tag: str) -> str:
    """The id of the application with a tag that has not ended; empty where there is none."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        asked = _start("spark-class", *_COMMAND_LINE, "-list", "-appTags", tag)
        listed, _ = asked.communicate(timeout=_SECONDS_TO_END)
        if found := re.search(r"application_\d+_\d+", listed):
            return found[0]
    return ""


def has_python(cluster: ClusterConfig) -> bool:
    """Whether it is said which Python the driver has there."""
    return WORKERS_PYTHON in spark_conf(cluster)

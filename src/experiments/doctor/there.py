"""What can be seen from Spark's executors: their Python and packages, clocks, memory, ports, and the data."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from experiments.cluster.checks import bytes_of
from experiments.cluster.executors import check_shared_folder, wait_for_executors
from experiments.cluster.session import StartingSession
from experiments.config.schema import Config, TableData
from experiments.data.table import paths_of, read_table
from experiments.doctor.answers import Answer, ask_each, version_of
from experiments.doctor.findings import Finding, State, doubtful, failed, looked, ok
from experiments.doctor.here import MOST_OF_MEMORY, gib
from experiments.errors import ConfigError, ExperimentError, readable_cause
from experiments.pipeline.stages import stages_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# What Python on executors needs of the driver's packages, for stages of Python and for networks.
OF_STAGES = ("numpy", "pandas", "pyarrow")
# Seconds by which clocks may differ before times in logs and tokens mislead.
MOST_SKEW = 5.0


@dataclass
class Needs:
    """What a config asks of executors.

    Attributes:
        packages: without which it fails there.
        workers: of a training, at a time.
    """

    packages: set[str] = field(default_factory=set)
    workers: int = 0


def needs_of(config: Config) -> Needs:
    """MLlib's own stages need no Python there, networks and XGBoost do."""
    try:
        stages = stages_of(config)
    except ConfigError:  # which the line of the config says
        return Needs()
    needs = Needs()
    estimator = stages[-1]
    if estimator.type.__module__.startswith("xgboost"):
        needs.packages |= {*OF_STAGES, "xgboost"}
        needs.workers = int(estimator.params.get("num_workers", 1))
    if hasattr(estimator.type, "numWorkers"):
        needs.packages |= {*OF_STAGES, "tensorflow"}
        needs.workers = int(estimator.params.get("numWorkers", 1))
        if estimator.params.get("engine") == "horovod":
            needs.packages.add("horovod")
    return needs


def findings_there(config: Config, tell: Callable[[str], None]) -> Iterator[Finding]:
    """Each as it is found, once Spark has started.

    Args:
        tell: is told what is waited for.
    """
    try:
        session = StartingSession(config.cluster, is_tried=False).result()
    except ConfigError as error:
        yield from (failed("Spark", problem) for problem in error.problems)
        return
    except Exception as error:  # as PySpark and Py4J raise it
        yield failed("Spark", readable_cause(error))
        return
    context = session.sparkContext
    yield ok("Spark", f"{session.version} has started on '{context.master}' as {context.applicationId}")
    is_cluster = not context.master.startswith("local")
    if is_cluster:
        came = list(looked("executors", lambda: _executors(session, config, tell)))
        yield from came
        if came[0].state is State.failed:
            return
        yield from looked("shared folder", lambda: _shared_folder(session, config))
    yield from looked("data", lambda: _data(session, config))
    needs = needs_of(config)
    yield from _slots(session, needs)
    yield from _of_answers(session, config, needs)


def _executors(session: SparkSession, config: Config, tell: Callable[[str], None]) -> str:
    wait_for_executors(session, config.cluster, tell)
    came = session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1
    return f"{came} executor{'s' if came != 1 else ''} came"


def _shared_folder(session: SparkSession, config: Config) -> str:
    check_shared_folder(session, config.cluster)
    return f"{config.cluster.shared_folder or 'the default file system'} is written by executors and read here"


def _data(session: SparkSession, config: Config) -> str:
    """Have executors read a row: files may be on the driver's disk alone, or behind a key that is refused."""
    data = config.data
    if not isinstance(data, TableData):
        return f"data={data.name} comes with the package"
    # Types of CSV are not asked for: that would be a pass over the whole.
    options = {**data.options, "inferSchema": False} if data.format == "csv" else data.options
    read = []
    for path in (data.path, *([data.test_path] if data.test_path is not None else [])):
        what = data.table or ", ".join(paths_of(path)) or data.format
        if not read_table(session, replace(data, options=options), path).rows.limit(1).collect():
            raise ExperimentError(f"data must have rows, got none in {what}; look at data.path and data.query")
        read.append(what)
    return f"a row of {' and of '.join(read)} was read"


def _slots(session: SparkSession, needs: Needs) -> Iterator[Finding]:
    slots = slots_of(session)
    if needs.workers > slots:
        yield failed(
            "slots",
            f"the workers of the model must be at most the tasks that run at a time, {slots}, got {needs.workers}; "
            f"fewer (model.estimator.numWorkers={max(1, slots)}), or more executors and cores",
        )
        return
    of_workers = f", {needs.workers} of them for the workers of the network" if needs.workers else ""
    yield ok("slots", f"{slots} task{'s' if slots != 1 else ''} at a time{of_workers}")


def slots_of(session: SparkSession) -> int:
    """Tasks that Spark runs at a time."""
    java = session.sparkContext._jsc.sc()
    return int(java.maxNumConcurrentTasks(java.resourceProfileManager().defaultResourceProfile()))


def _of_answers(session: SparkSession, config: Config, needs: Needs) -> Iterator[Finding]:
    """What Python on each executor says of itself."""
    before = time.time()
    try:
        answers = ask_each(session, max(1, slots_of(session)))
    except Exception as error:  # Python that is not there, or of another version
        yield _no_python(error, needs)
        return
    after = time.time()
    hosts = Counter(answer.host for answer in {(each.host, each.parent): each for each in answers}.values())
    listed = ", ".join(f"{host} ({count})" if count > 1 else host for host, count in sorted(hosts.items()))
    yield ok("Python there", f"Python {answers[0].python} on {listed}")
    yield from _packages(answers, needs)
    yield _clocks(answers, before, after)
    if not session.sparkContext.master.startswith("local"):
        asked = bytes_of(session.sparkContext.getConf().get("spark.executor.memory", "1g"))
        yield _memory(answers, hosts, asked)
    if gpus := sorted(f"{gpu} on {each.host}" for each in answers for gpu in each.gpus):
        yield ok("GPUs", f"{len(gpus)} for as many tasks at a time: {', '.join(gpus)}")
    if unreached := sorted({f"{each.host}: {each.unreached}" for each in answers if each.unreached}):
        said = f"executors must reach each other at any port, as workers of a network do, got {'; '.join(unreached)}"
        yield (failed if needs.workers > 1 else doubtful)("ports", f"{said}; open them between these hosts")
    elif len(hosts) > 1:
        yield ok("ports", "executors reach each other")


def _no_python(error: Exception, needs: Needs) -> Finding:
    sentence = readable_cause(error)
    way_out = (
        f"cluster.python=/path/to/python{platform.python_version().rpartition('.')[0]} names one that is there on each "
        "machine (models of Spark's own do without)"
    )
    return (failed if needs.packages else doubtful)("Python there", f"{sentence}; {way_out}")


def _packages(answers: list[Answer], needs: Needs) -> Iterator[Finding]:
    """Against the driver's: what is missing is needed or not, what has another number may read other bytes."""
    missing: dict[str, set[str]] = {}
    other: dict[str, set[str]] = {}
    for answer in answers:
        for package, version in answer.packages.items():
            here = version_of(package, f"{package}-cpu")
            if version is None and here is not None:
                missing.setdefault(package, set()).add(answer.host)
            elif here is not None and version != here:
                other.setdefault(f"{package} {version} where the driver has {here}", set()).add(answer.host)
    needed = {package: hosts for package, hosts in missing.items() if package in needs.packages}
    if needed:
        yield failed(
            "packages there",
            f"executors must have the packages of the model's Python, got none of {_on_hosts(needed)}; install them "
            "there, or cluster.python names a Python that has them",
        )
    if rest := {package: hosts for package, hosts in missing.items() if package not in needed}:
        yield doubtful(
            "packages there",
            f"executors have none of {_on_hosts(rest)}, which this model does not need there (networks and stages of "
            "Python do); install them there where such are fitted",
        )
    if other:
        yield doubtful("packages there", f"executors have {_on_hosts(other)}; install the same there as here")
    if not missing and not other:
        yield ok("packages there", "executors have the driver's packages")


def _on_hosts(found: Mapping[str, set[str]]) -> str:
    return ", ".join(f"{what} (on {', '.join(sorted(hosts))})" for what, hosts in sorted(found.items()))


def _clocks(answers: list[Answer], before: float, after: float) -> Finding:
    """Each must have looked at its clock while the driver waited."""
    off = {each.host: max(before - each.time, each.time - after) for each in answers}
    host = max(off, key=lambda name: off[name])
    if off[host] > MOST_SKEW:
        return doubtful(
            "clocks",
            f"clocks must agree within {MOST_SKEW:g} s, got {off[host]:.0f} s on {host}; set them by NTP",
        )
    return ok("clocks", f"agree within {max(1, round(after - before))} s")


def _memory(answers: list[Answer], hosts: Counter[str], asked: int) -> Finding:
    there = {each.host: each.memory for each in answers}
    host = max(there, key=lambda name: hosts[name] * asked / there[name])
    said = f"{hosts[host]} of {gib(asked)} of the {gib(there[host])} of {host}"
    if hosts[host] * asked > MOST_OF_MEMORY * there[host]:
        return doubtful(
            "memory there",
            f"cluster.memory of the executors of a machine must leave memory to Python, got {said}; "
            f"cluster.memory={max(1, int(there[host] * 0.5 / hosts[host]) >> 30)}g",
        )
    return ok("memory there", said)

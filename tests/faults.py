"""What becomes of a run after each fault: real commands, signals, servers and disks of this machine.

Written into the tables of docs/reliability.md, after a quarter of an hour; one table alone is printed:

    uv run --all-extras python tests/faults.py [--only SERVER]

tests/end_to_end/test_faults.py does the same and asks whether each status is true, tests/unit/test_reliability.py
whether the page is complete.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from mlflow.tracking import MlflowClient

from experiments import load
from experiments.tracking.store import open_folder
from experiments.tracking.sweeps import close_gone
from experiments.tracking.sync import sync
from proxy import PASS, proxied
from serving import PROGRAMS, Server, serving

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "reliability.md"
AT_ONCE = 2
GONE = "RUNNING, after `doctor --close` "
LONGEST = 200
MODEL = """defaults: [{override /data@_global_.data: diabetes}]
task: regression
stages:
  features: {class: pyspark.ml.feature.VectorAssembler}
estimator: {class: troubled.Troubled, regParam: 1.0}
"""
NAP = "java_method('java.lang.Thread', 'sleep', 200000L) IS NOT NULL"
LONG = "length(concat(repeat('x', 900000000 + a), repeat('y', 900000000)))"
TABLE = ["model=ridge", "data=table", "data.path=rows.csv", "data.label=y", "registry=none"]
TROUBLED = ["--config-dir", "conf", "model=troubled", "allowed_packages=[troubled]", "registry=none"]
NETWORK = ["model=keras_regressor", "model.estimator.numWorkers=1", "model.estimator.epochs=100000", "registry=none"]
DIVERGES = ["model.estimator.optimizer=sgd", "model.estimator.learningRate=1e9", "data=diabetes"]
UNREGISTERED = ["model=ridge", "registry=none"]
STOPPED = signal.SIGSTOP
RANKS = ["model=keras_horovod", "data=breast_cancer", "model.estimator.epochs=100000", "registry=none"]
FOREST = ["model=random_forest", "data=wine", "model.estimator.numTrees=150"]


class Command:
    """A command in a folder of its own, and the store that it records in."""

    def __init__(self, folder: Path, store: str) -> None:
        self.folder, self.store = folder, store
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, words: Sequence[str], within: Sequence[str] = (), **variables: str) -> None:
        """Start `experiments` with words; `within` are those of a program that starts it."""
        environment = {**os.environ, "MLFLOW_TRACKING_URI": self.store, "PYTHONPATH": str(HERE), **variables}
        environment["PATH"] = f"{PROGRAMS}:{environment['PATH']}"
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(
                [*within, str(PROGRAMS / "experiments"), *words],
                cwd=self.folder,
                env=environment,
                stdout=said,
                stderr=said,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.store)

    def runs(self) -> list:
        """All runs, the first first."""
        client = self.client
        places = [each.experiment_id for each in client.search_experiments()]
        return sorted(client.search_runs(places), key=lambda run: run.info.start_time)

    def wait_until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + LONGEST
        while not condition():
            if self.process.poll() is not None:
                return
            assert time.monotonic() < end, f"it did not happen in {self.folder}: {self.said[-2000:]}"
            time.sleep(0.05)

    def ended(self) -> int:
        return self.process.wait(LONGEST)

    def below(self, name: str) -> list[psutil.Process]:
        """Processes below it whose command line has a name."""
        found = []
        for each in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if name in " ".join(each.cmdline()):
                    found.append(each)
        return found


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        what: it is, for the page.
        words: of the command.
        at: what the command has said when it strikes; empty: as soon as there is a run.
        strike: does it; None where the words themselves do.
        true: how the run must be recorded in the end.
        says: words that the reason must have.
    """

    what: str
    words: Sequence[str]
    at: str = ""
    strike: Callable[[Command], None] | None = None
    true: str = "FAILED"
    says: str = ""
    within: Sequence[str] = ()
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Became:
    """What became of it.

    Attributes:
        code: of the command.
        status: of its runs, where there are any; after `experiments sync` or `doctor` where it ended without a word.
        reason: of the run.
    """

    code: int
    status: str
    reason: str = ""


def sends(number: signal.Signals) -> Callable[[Command], None]:
    return lambda command: command.process.send_signal(number)


def kills(name: str, number: signal.Signals = signal.SIGKILL) -> Callable[[Command], None]:
    """Sends a signal to the last process below the command whose command line has a name."""
    return lambda command: command.below(name)[-1].send_signal(number)


# Phase to what is said before it, the words by which it lasts, those by which it fails, and the reason.
PHASES = {
    "start": ("", ["model=ridge", "registry=none"], ["cluster.conf.spark.executor.heartbeatInterval=1000s"], "spark"),
    "load": (": start ", TABLE, [], "rows"),
    "fit": (": load ", [*TROUBLED, "model.estimator.phase=fit"], [], "the sum is wrong"),
    "fit of a network": ("epoch 2 of", NETWORK, DIVERGES, "finite"),
    "tune": (": load ", [*TROUBLED, "model.estimator.phase=fit", "tuning=train_validation"], [], "the sum is wrong"),
    "evaluate": (": fit ", [*TROUBLED, "model.estimator.phase=evaluate"], [], "the sum is wrong"),
    "log": (": evaluate ", [*TROUBLED, "model.estimator.phase=log"], [], "the sum is wrong"),
    "register": (": log ", ["model=ridge", "data=diabetes"], [], "error code 400"),
}
ENDINGS = ("error", "INT", "TERM", "HUP", "KILL")
ENDS = {"INT": "KILLED", "TERM": "KILLED", "HUP": "KILLED", "KILL": "KILLED"}


def of_phases() -> dict[tuple[str, str], Fault]:
    """Each phase with each end."""
    made = {}
    for phase, (at, lasts, fails, says) in PHASES.items():
        troubled = ["model.estimator.trouble=raise"] if "model=troubled" in lasts else fails
        lasting, failing = list(lasts), [*lasts, *troubled]
        if phase == "load":
            lasting.append(f'data.query="SELECT * FROM source WHERE {NAP}"')
            failing.append("data.query=\"SELECT * FROM source WHERE raise_error('bad rows') IS NULL\"")
        made[phase, "error"] = Fault(phase, failing, says=says)
        for end, status in ENDS.items():
            made[phase, end] = Fault(phase, lasting, at, sends(getattr(signal, f"SIG{end}")), status)
    return made


def full(size: str, options: str = "") -> list[str]:
    """A program that starts another one where its artifacts lie on a small disk of their own."""
    mount = f"mkdir -p mlartifacts && mount -t tmpfs -o size={size}{options} none mlartifacts"
    return ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh"]


OF_MACHINES = {
    "Java has too little memory": Fault(
        "", [*TABLE, "cluster.conf.spark.driver.memory=512m", f'data.query="SELECT *, {LONG} AS b FROM source"'],
        says="memory"),
    "Java is killed": Fault("", TROUBLED, ": load ", kills("java"), says="Java"),
    "a Python worker is killed": Fault("", [*TROUBLED, "model.estimator.trouble=kill"], says="ended a process"),
    "an executor is killed": Fault(
        "", [*FOREST, "cluster.master='local-cluster[2,1,1024]'", "model.estimator.maxDepth=12"], ": load ",
        kills("CoarseGrainedExecutorBackend"), "FINISHED"),
    "a rank is killed": Fault("", RANKS, "epoch 2 of", kills("rank.worker"), says="rank"),
    "a rank is stopped": Fault(
        "", [*RANKS, "model.estimator.stallTimeout=5"], "epoch 2 of", kills("rank.worker", STOPPED), says="rank"),
    "the disk of the artifacts is full": Fault("", UNREGISTERED, within=full("300k"), true="FINISHED"),
    "the disk of the artifacts is read-only": Fault("", UNREGISTERED, within=full("300k", ",ro"), true="FINISHED"),
    "Spark's own disk is full": Fault(
        "", ["model=ridge", "data.rows=3000000", "data.cache=DISK_ONLY"],
        within=full("20m"), variables={"SPARK_LOCAL_DIRS": "mlartifacts"}, says="No space left"),
}  # fmt: skip


def became(command: Command, fault: Fault) -> Became:
    """Of the one command, once the fault has struck."""
    command.start(fault.words, fault.within, **fault.variables)
    try:
        if fault.strike is not None:
            running = lambda: any(run.info.status == "RUNNING" for run in command.runs())  # noqa: E731
            command.wait_until((lambda: fault.at in command.said) if fault.at else running)
            if command.process.poll() is None:
                time.sleep(0.5)  # into the phase
                fault.strike(command)
        return told(command, command.ended())
    finally:
        command.process.kill()


def told(command: Command, code: int) -> Became:
    """How the store has the runs, in the end."""
    spool = command.folder / "spool"
    if (spool / "mlflow.db").exists():
        made = sync(load([f"tracking.uri={command.store}"]), spool, is_spool=True)
        assert not made.failed, made.failed
    runs = command.runs()
    before = {run.info.status for run in runs}
    if "RUNNING" in before:
        gone = time.monotonic() + 10
        while not close_gone(command.client) and time.monotonic() < gone:
            time.sleep(0.2)
        runs = command.runs()
    after = {run.info.status for run in runs}
    status = ", ".join(sorted(after)) or "no run"
    if "RUNNING" in before:
        status = f"{GONE}{status}"
    return Became(code, status, " ".join(run.data.tags.get("experiments.failure", "") for run in runs))


class Fronted(Server):
    """A tracking server behind a proxy, whose law may change."""

    law: Callable[[str, str], object] = staticmethod(lambda method, path: PASS)


@dataclass(frozen=True)
class Gone:
    """A fault of the server's.

    Attributes:
        at: what the command has said when it strikes; None: before the command.
        strike: does it.
        true: how the run must be recorded once the server is there again and `experiments sync` was called.
    """

    strike: Callable[[Fronted], None]
    at: str | None = ": load "
    true: str = "FINISHED"


def answers(does: object) -> Callable[[Fronted], None]:
    """From now on the server's proxy does so with each request."""

    def strike(server: Fronted) -> None:
        server.law = lambda method, path: does

    return strike


def restarts(server: Fronted) -> None:
    server.kill()
    server.start()


OF_SERVERS = {
    "is not there": Gone(Fronted.kill, None, "no run"),
    "does not know the password (401)": Gone(answers(401), None, "no run"),
    "is killed": Gone(Fronted.kill),
    "is killed and starts again": Gone(restarts),
    "takes half a second for each answer": Gone(answers(0.5)),
    "does not answer in time": Gone(answers(8.0)),
    "refuses the user from then on (403)": Gone(answers(403)),
    "does not know what is asked from then on (404)": Gone(answers(404)),
    "breaks from then on (500)": Gone(answers(500)),
}


def became_of_server(folder: Path, gone: Gone) -> Became:
    server = Fronted(folder)
    server.start()
    with proxied(server.uri, lambda method, path: server.law(method, path)) as uri:
        try:
            command = Command(folder, uri)
            if gone.at is None:
                gone.strike(server)
            command.start(FOREST, MLFLOW_HTTP_REQUEST_TIMEOUT="4")
            if gone.at is not None:
                command.wait_until(lambda: gone.at in command.said)
                gone.strike(server)
            code = command.ended()
            server.kill()
            server.law = Fronted.law
            server.start()
            return told(command, code)
        finally:
            server.kill()


SWEEP = ["-m", "model=ridge", "data=diabetes", "model.estimator.regParam=0.01,0.1,1,10", "registry=none"]


@dataclass(frozen=True)
class Swept:
    """A fault of a sweep.

    Attributes:
        strike: does it while the sweep runs, and starts what comes after it.
        true: how all its runs must be recorded, and where the sweep is done how many are FINISHED: trials and itself.
    """

    strike: Callable[[Command], None]
    true: str = "5 FINISHED"
    within: Sequence[str] = ()


def once_a_trial_has_ended(strike: Callable[[Command], None]) -> Callable[[Command], None]:
    def struck(command: Command) -> None:
        command.wait_until(lambda: ": FINISHED" in command.said)
        strike(command)

    return struck


def killed_and_begun_again(command: Command) -> None:
    command.process.kill()
    command.process.wait()
    command.start(SWEEP)


def begun_twice(command: Command) -> None:
    """At the same instant; which of them runs is theirs to settle."""
    first = command.process
    command.start(SWEEP)
    if command.process.wait(LONGEST) == 2:  # refused, as the other has it
        command.process = first
    else:
        assert first.wait(LONGEST) == 2


OF_SWEEPS = {
    "is killed with -9, and begun again": Swept(once_a_trial_has_ended(killed_and_begun_again), "5 FINISHED, KILLED"),
    "is told to end (TERM)": Swept(once_a_trial_has_ended(sends(signal.SIGTERM)), "FINISHED, KILLED"),
    "is begun twice at the same instant": Swept(begun_twice),
    "finds the disk of the artifacts full": Swept(lambda command: None, within=full("100k")),
}


def became_of_sweep(command: Command, swept: Swept) -> Became:
    command.start(SWEEP, swept.within)
    swept.strike(command)
    found = told(command, command.ended())
    # Each trial once: the best one may have been fitted again for its model.
    finished = [run.info.run_name for run in command.runs() if run.info.status == "FINISHED"]
    count = len({*finished}) if len(finished) - len({*finished}) <= 1 else len(finished)
    return replace(found, status=f"{count} {found.status}" if found.code == 0 else found.status)


def at_register(command: Command, fault: Fault) -> Became:
    """Of a registry whose answer is long in coming, or which refuses."""
    does = 400 if fault.strike is None else 200.0
    law = lambda method, path: does if path.endswith("model-versions/create") else PASS  # noqa: E731
    with serving(command.folder) as server, proxied(server.uri, law) as uri:
        return became(Command(command.folder, uri), fault)


@contextlib.contextmanager
def folders() -> Iterator[Callable[[], Path]]:
    """A function that makes folders with an empty store, whose tables are made once, and what the commands need."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        whole = Path(made) / "whole"
        open_folder(whole)

        def new() -> Path:
            folder = Path(tempfile.mkdtemp(dir=made))
            shutil.copy(whole / "mlflow.db", folder)
            (folder / "conf" / "model").mkdir(parents=True)
            (folder / "conf" / "model" / "troubled.yaml").write_text(MODEL)
            (folder / "rows.csv").write_text("a,y\n" + "".join(f"{row},{2 * row}\n" for row in range(50)))
            return folder

        yield new


def measured(group: str) -> dict[str, Became]:
    """What became of all faults of a group, by name."""
    faults = of_group(group)
    with folders() as new, ThreadPoolExecutor(AT_ONCE) as pool:

        def alone(name: str) -> Became:
            folder, fault = new(), faults[name]
            command = Command(folder, f"sqlite:///{folder}/mlflow.db")
            if isinstance(fault, Gone):
                found = became_of_server(folder, fault)
            elif isinstance(fault, Swept):
                found = became_of_sweep(command, fault)
            else:
                found = (at_register if fault.what == "register" else became)(command, fault)
            print(f"{name}: {found.status} ({found.code}) {found.reason[:200]!r}", flush=True)
            return found

        return dict(zip(faults, pool.map(alone, faults), strict=True))


# What the tables are called, and what has happened there.
GROUPS = {
    "PHASES": "",
    "SERVER": "the tracking server …",
    "MACHINE": "on the machine …",
    "SWEEPS": "a sweep …",
}


def of_group(group: str) -> dict[str, Fault] | dict[str, Gone] | dict[str, Swept]:
    """The faults of a table, by name."""
    if group == "PHASES":
        return {f"{phase}, {end}": fault for (phase, end), fault in of_phases().items()}
    return {"SERVER": OF_SERVERS, "MACHINE": OF_MACHINES, "SWEEPS": OF_SWEEPS}[group]


def is_true(fault: Fault | Gone | Swept, found: Became) -> bool:
    """Whether the store says what happened, in the end, and why where it failed."""
    wanted = fault.says.casefold() if isinstance(fault, Fault) else ""
    return found.status.removeprefix(GONE) == fault.true and wanted in found.reason.casefold()


def table_of(group: str, found: dict[str, Became]) -> str:
    """In Markdown."""
    if group == "PHASES":
        rows = ["| a run that is at … | an error | Ctrl-C | TERM | HUP (closed terminal) | kill -9 |"]
        rows.append("|---|---|---|---|---|---|")
        for phase in PHASES:
            cells = [_cell(found[f"{phase}, {end}"]) for end in ENDINGS]
            rows.append(f"| {phase} | {' | '.join(cells)} |")
    else:
        rows = [f"| {GROUPS[group]} | recorded as (the command ends with) |", "|---|---|"]
        rows += [f"| {name} | {_cell(each)} |" for name, each in found.items()]
    return "\n".join(rows) + "\n"


def _cell(found: Became) -> str:
    code = 128 - found.code if found.code < 0 else found.code  # as a shell says it
    return f"{found.status} ({code})"


def between(group: str) -> re.Pattern[str]:
    """Where a table is on the page."""
    return re.compile(f"(?<=<!-- {group} -->\n).*?(?=<!-- end -->)", re.DOTALL)


def on_page(group: str) -> dict[str, str]:
    """The status that the page gives for each fault of a table, by name."""
    table = between(group).search(PAGE.read_text()).group()
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    names = [(f"{row[0]}, {end}" if group == "PHASES" else row[0]) for row in rows for end in ENDINGS[: len(row) - 1]]
    cells = [cell for row in rows for cell in row[1:]]
    return {name: cell.rpartition(" (")[0] for name, cell in zip(names, cells, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Do each fault to a real command and write what becomes of its run.")
    parser.add_argument("--only", choices=GROUPS, help="measure one table, and print it")
    only = parser.parse_args().only
    page = PAGE.read_text()
    for group in [only] if only else GROUPS:
        found = measured(group)
        for name, each in found.items():
            if not is_true(of_group(group)[name], each):
                print(f"WRONG: {name}: {each}")
        table = table_of(group, found)
        print(table)
        page = between(group).sub(lambda _, table=table: table, page, count=1)
    if only is None:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()

"""`experiments submit`: one run whose driver is in the cluster, from the words to its true status."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from experiments.cluster.addresses import unreachable
from experiments.cluster.java import find_java
from experiments.cluster.submitting import Application, run_in_cluster
from experiments.config.compose import load
from experiments.config.schema import Config
from experiments.config.values import spark_conf
from experiments.config.words import Submits, run_name
from experiments.errors import EXIT_BAD_CONFIG, EXIT_FAILED, ConfigError, ExperimentError, readable_cause
from experiments.experiment import Result
from experiments.jobs import heed_signals, run_words, split_words, stopped, summarise
from experiments.redaction import redact_text
from experiments.submission.checks import YARN, check_submission, check_words
from experiments.submission.handed import EXIT_NO_PACKAGES, Handed, variables_of_here, variables_to_hand, write
from experiments.terminal.completion import folder_of
from experiments.terminal.harmless import harmless
from experiments.terminal.progress import Progress
from experiments.terminal.screen import say, screen
from experiments.tracking.handed_over import Ended, blame, close, ended, handed_over, name_application
from experiments.tracking.run import TrackedRun
from experiments.tracking.store import GIVEN_RUN, GIVEN_URI, check_store, how_to_look, tracking_uri
from experiments.validation import check_one_run, validate


def submit(words: Sequence[str], config_dir: str | Path | None = None) -> int:
    """Have the cluster run one experiment, and wait for it; returns the exit code that the run itself would have.

    Raises:
        ConfigError: before anything starts.
        ExperimentError: the driver was not brought there, or left its run open; the run is then FAILED.
    """
    check_words(words)
    config = load(words, config_dir)
    check_submission(config)
    check_one_run(config)
    validate(config)
    check_store(config.tracking)
    if problems := unreachable(config.cluster.master, spark_conf(config.cluster)):
        raise ConfigError(problems)
    find_java()
    name = config.tracking.run or run_name(config, words)
    heed_signals()
    try:
        with handed_over(config, name) as run:
            say(f"run         {run.run_id}", screen(stderr=True))
            if kept := variables_of_here():
                say(f"not handed over, as they name what is on this machine: {', '.join(kept)}", screen(stderr=True))
            say(f"look        {how_to_look(config.tracking, run.experiment_id, run.run_id)}", screen(stderr=True))
            application = _driven(config, name, run)
    except KeyboardInterrupt as told:
        return stopped(told)
    # Not within the block: a store that cannot be asked now says nothing of the run.
    came = ended(run)
    if came.status == "RUNNING" and not application.is_left:
        left = ExperimentError(_left_open(application, config))
        close(run, left)
        raise left
    if came.status == "FAILED" and not came.why:
        came = dataclasses.replace(came, why=_left_open(application, config))
        blame(run, came.why)
    return _told(config, run, came)


def submit_or_run(words: Sequence[str], submits: Submits) -> int:
    """Submit what `mlflow run` has said, or run it with the driver here; returns the exit code.

    Args:
        words: among which a folder of configs may be named.
    """
    options, overrides = split_words(words)
    folder = folder_of(options)
    if folder is not None:
        options = [option for option in options if option not in ("--config-dir", folder)]
    is_sweep = "--multirun" in options
    if submits is Submits.auto and (is_sweep or load(overrides, folder).cluster.master != YARN):
        return run_words(words)
    return submit([*options, *overrides], folder)


def _driven(config: Config, name: str, run: TrackedRun) -> Application:
    """The application, once it has ended, of the driver that records a run."""
    console, progress = screen(stderr=True), Progress(name, screen(stderr=True))
    known = Application()

    def heard(application: Application) -> None:
        nonlocal known
        before, known = known, dataclasses.replace(application)
        if known.name and known.name != before.name:
            name_application(run, known.name)
        if known.is_left:
            say(f"{known.name} could not be ended and may still run; yarn application -kill {known.name}", console)
        if known.page and not before.page:
            say(f"application {known.name} {known.page}", console)
        elif not console.is_terminal and known.state != before.state:
            say(f"{name}: {known.name} is {known.state}", console)

    progress.watch(lambda: f" · {known.name} is {known.state}" if known.name else " · files go to the cluster")
    variables = {**variables_to_hand(), GIVEN_URI: tracking_uri(config.tracking), GIVEN_RUN: run.run_id}
    # What a store does not take would lie in a folder of the container, which goes with it.
    there = dataclasses.replace(config, tracking=dataclasses.replace(config.tracking, spool=None))
    with tempfile.TemporaryDirectory(prefix="experiments-") as folder, progress.phase("in the cluster"):
        write(Handed(there, name, variables), Path(folder))
        return run_in_cluster(config.cluster, Path(folder), variables, heard)


def _left_open(application: Application, config: Config) -> str:
    """The sentence for a driver that ended and left its run open."""
    if f"status {EXIT_NO_PACKAGES}" in application.said:
        key = "environment" if config.cluster.environment else "python"
        return (
            f"cluster.{key} must have the driver's packages, got '{getattr(config.cluster, key)}' without some of "
            "them; `experiments pack --driver --to …` makes an archive that has them"
        )
    said, name = application.said or application.state or "nothing", application.name or "its application"
    # Of a driver that could not even say so in the run.
    store = redact_text(tracking_uri(config.tracking))
    why = f"; from there '{store}' may not answer" if said.endswith(f"status {EXIT_BAD_CONFIG}") else ""
    left = ExperimentError(
        f"the driver must close its run, but {name} ended before; YARN says: {said}{why}; its log says more: yarn logs "
        f"-applicationId {application.name}"
    )
    return readable_cause(left)  # as the run records it, with what YARN's words mean


def _told(config: Config, run: TrackedRun, came: Ended) -> int:
    """Say how a closed run ended; returns the exit code."""
    if came.status == "RUNNING":
        click.echo(f"error: run {run.run_id} may still go on in the cluster, where nobody could see to it", err=True)
        return EXIT_FAILED
    if came.status != "FINISHED":
        click.echo(harmless(f"error: {came.why or 'nobody said why'}", lines=True), err=True)
        click.echo(f"run {run.run_id} is {came.status}; its trace is the artifact failure.txt", err=True)
        return EXIT_FAILED
    others = ("seconds_", "train_rows", "test_rows", "epoch_")
    judged = {name: value for name, value in came.metrics.items() if not name.startswith(others)}
    ids = (run.run_id, run.experiment_id, run.experiment)
    rows = {name: int(came.metrics[name]) for name in ("train_rows", "test_rows")}
    summarise(config, Result(*ids, came.model_uri, judged, rows, {}, None, came.registered))
    return 0

"""Command-line words as jobs: Hydra composes a config for each, and each is one tracked run."""

from __future__ import annotations

import atexit
import gc
import itertools
import os
import shlex
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from experiments.errors import (
    EXIT_BAD_CONFIG,
    EXIT_FAILED,
    ConfigError,
    ExperimentError,
    readable_cause,
)
from experiments.terminal.first_word import instead_of_option
from experiments.terminal.harmless import harmless
from experiments.terminal.interruption import Terminated, forget, leave_quietly, remembered

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from experiments.config.schema import Config
    from experiments.experiment import Result
    from experiments.sweeps.sweep import Sweep
    from experiments.sweeps.trials import Trials

EXIT_INTERRUPTED = 130
_OPTIONS_WITH_VALUE = (
    *("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--cfg", "-c", "--package", "-p"),
    *("--info", "-i", "--experimental-rerun"),
)


def run_words(words: Sequence[str]) -> int:
    """Run the jobs that the words make; a job that fails is reported and the others go on. Returns the exit code.

    Raises:
        ConfigError: the words do not compose.
    """
    # Imports make half a million objects that stay: looking for garbage among them, and at the end once more, takes
    # a second and finds nothing.
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    heed_signals()
    failures: list[Exception] = []

    def job(composed: DictConfig) -> float | None:
        # Here, so that words that do not compose are refused before all this is imported.
        from experiments.sweeps.sweep import Sweep
        from experiments.sweeps.trials import current

        trials = current.get()
        if isinstance(trials, Sweep):
            return run_trial(trials)
        try:
            return _run_job(composed, trials)
        except Exception as error:  # whatever Spark, MLflow or a library of a stage raises
            tell(error)
            failures.append(error)
            return None

    try:
        compose_and_call(words, job)
    except KeyboardInterrupt as told:
        code = stopped(told)
        _leave_stuck_trials(code)
        return code
    return exit_code(failures)


def stopped(told: KeyboardInterrupt) -> int:
    """Say that the process was told to end; returns the exit code."""
    click.echo("interrupted", err=True)
    return int(told.args[0]) if isinstance(told, Terminated) else EXIT_INTERRUPTED


def heed_signals() -> None:
    """A run that is told to end closes as KILLED, which takes an exception."""
    # Here, so that help and completion wait for no import.
    from experiments.cluster.jobs import end_jobs_soon

    terminals = [stream for stream in (1, 2) if os.isatty(stream)]
    forget()

    def end(number: int, _: object) -> None:
        if number == signal.SIGHUP:  # each line to a terminal that is closed would be an error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in terminals:
                os.dup2(nowhere, stream)
        told = KeyboardInterrupt() if number == signal.SIGINT else Terminated(128 + number)  # as shells say it
        remembered(told)
        leave_quietly()
        end_jobs_soon()
        raise told

    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, end)
    # The whole of Java's trace as a warning, beside the error that says the same in a line.
    warnings.filterwarnings("ignore", "toPandas attempted Arrow optimization", UserWarning)


def _leave_stuck_trials(code: int) -> None:
    """End the process where threads that would not end would keep it; the doctor closes their runs."""
    from experiments.sweeps.launcher import is_any_trial_alive

    if is_any_trial_alive():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def exit_code(failures: Sequence[Exception]) -> int:
    """0 without failures, 2 when all of them are of configs, else 1."""
    if not failures:
        return 0
    return EXIT_BAD_CONFIG if all(isinstance(error, ConfigError) for error in failures) else EXIT_FAILED


def tell(error: Exception) -> None:
    """What went wrong, on standard error: each problem of a config, else one readable cause."""
    if isinstance(error, ConfigError):
        told = [f"error: {harmless(problem)}" for problem in error.problems]
    else:
        # Of a rank its trace, in several lines.
        text = str(error) if isinstance(error, ExperimentError) else readable_cause(error)
        told = [f"error: {harmless(text, lines=True)}"]
    for line in (*told, *(harmless(note, lines=True) for note in getattr(error, "__notes__", ()))):
        click.echo(line, err=True)


def compose_and_call(words: Sequence[str], job: Callable[[DictConfig], float | None]) -> None:
    """Hydra's own command line, with our words and our errors.

    Raises:
        ConfigError: the words do not compose.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from experiments.config.choices import config_folder
    from experiments.config.explain import explain
    from experiments.config.schema import register_schemas
    from experiments.config.words import composable
    from experiments.terminal.completion import folder_of

    register_schemas()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that errors arrive here
    main = hydra.main(config_path=str(config_folder()), config_name="config", version_base="1.3")(job)
    # Hydra's sweeper writes the whole config, secrets included, to a folder of its own.
    with tempfile.TemporaryDirectory() as folder:
        options, overrides = split_words(words)
        _check_options(options)
        if "--dry-run" in options:
            # One trial is a sweep too.
            options = [*(option for option in options if option not in ("--dry-run", "-m", "--multirun")), "-m"]
            overrides.append("sweep.dry_run=true")
        sys.argv = ["experiments", *options, f"hydra.sweep.dir={folder}", *composable(overrides)]
        try:
            main()
        except (HydraException, OmegaConfBaseException) as error:
            # Of a sweep, the words of the trial that does not compose.
            raise explain(error, getattr(error, "words", overrides), folder_of(options)) from error


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's options with their values, and the overrides: Hydra takes overrides only without options in between."""
    options: list[str] = []
    overrides: list[str] = []
    for word in words:
        is_value = bool(options) and options[-1] in _OPTIONS_WITH_VALUE
        (options if word.startswith("-") or is_value else overrides).append(word)
    return options, overrides


def _check_options(options: Sequence[str]) -> None:
    """Refuse those that neither Hydra nor we have; Hydra would print all of its own.

    Raises:
        ConfigError: with the nearest.
    """
    from hydra._internal.utils import get_args_parser

    known = [name for name in get_args_parser()._option_string_actions if name.startswith("--")]
    problems = [
        f"no such option '{option}'" + instead_of_option(option, [*known, "--dry-run"])
        for option in options
        if option.startswith("--") and option.partition("=")[0] not in (*known, "--dry-run")
    ]
    if problems:
        raise ConfigError(problems)


def _run_job(composed: DictConfig, trials: Trials | None) -> float | None:
    """One job of Hydra's; returns the objective, which sweepers read."""
    from hydra.core.hydra_config import HydraConfig

    from experiments.config.loader import from_composed
    from experiments.config.words import run_name
    from experiments.validation import check_one_run

    words: Any = HydraConfig.get().overrides.task
    config = from_composed(composed, sys.argv[1:])
    check_one_run(config)
    return run_config(config, run_name(config, words), trials).objective


def run_config(config: Config, name: str, trials: Trials | None = None) -> Result:
    """Run a config, and say what came of it."""
    from experiments.experiment import run
    from experiments.terminal.progress import Progress
    from experiments.terminal.screen import screen

    result = run(config, name, Progress(name, screen(stderr=True)), trials)
    summarise(config, result)
    return result


def run_trial(sweep: Sweep) -> float | None:
    """One trial of a sweep, in a thread of its own. An error is the sweep's to tell."""
    from hydra.core.hydra_config import HydraConfig

    from experiments.experiment import run
    from experiments.terminal.progress import Progress

    words: Any = HydraConfig.get().overrides.task
    # As they were planned: reading them one by one would put values in the place of `${…}`.
    trial = sweep.trial_of([str(word) for word in words._iter_ex(resolve=False)])
    for attempt in itertools.count():
        progress, started = Progress(trial.name), time.perf_counter()
        sweep.started(trial, progress)
        try:
            result = run(trial.config, trial.name, progress, sweep)
        except BaseException as error:
            if sweep.is_tried_again(trial, error, attempt):
                continue
            sweep.failed(trial, error, time.perf_counter() - started)
            raise
        sweep.succeeded(trial, result, time.perf_counter() - started)
        return result.objective
    return None


def summarise(config: Config, result: Result) -> None:
    """The metrics, where the run is, and what can be done with it."""
    from experiments.terminal.screen import say, show_table
    from experiments.tracking.spool import open_spool, said_of
    from experiments.tracking.store import how_to_look, words_of

    where = words_of(config.tracking)

    judged = {name: value for name, value in result.metrics.items() if not name.startswith("train_")}
    has_train = len(judged) < len(result.metrics)
    rows = []
    for name, value in judged.items():
        train = result.metrics.get(f"train_{name}")
        rows.append((name, f"{value:.6g}", *([f"{train:.6g}" if train is not None else ""] if has_train else [])))
    share = result.metrics.get("train_judged_share", 1)
    train_rows = "train" if share == 1 else f"train, 1 row in {round(1 / share)}"
    headers = ("metric", "test", train_rows) if has_train else ("metric", "value")
    show_table(headers, rows, title=f"{config.model.name} on {config.data.name}")
    if result.positive and "f1" in judged:
        say(f"precision, recall and f1 are those of '{result.positive}'; data.positive names the other class")
    train, test = (result.rows[f"{side}_rows"] for side in ("train", "test"))
    say(f"rows        {train:,} training, {test:,} held out")
    say(f"run         {result.run_id}")
    say(f"model       {result.model_uri}")
    model = result.model_uri
    if result.registered:
        name, version, alias = result.registered
        say(f"registered  {name} {version}: {alias}")
        if alias.startswith(f"{config.registry.alias} is version {version}"):
            model = f"models:/{name}@{config.registry.alias}"
    say(f"look        {how_to_look(config.tracking, result.experiment_id, result.run_id)}")
    say(f"compare     {shlex.join(['experiments', 'compare', result.experiment, *where])}")
    if result.is_spooled:  # where the model is once it is delivered, nobody knows yet
        for line in said_of(open_spool(config)):
            say(line)
        return
    said = f", {where!r}" if where else ""
    say(f"score       experiments.load_model('{model}'{said}).predict(frame)")

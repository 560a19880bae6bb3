"""What `import experiments` offers: the commands of the terminal as functions, with tables instead of text."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.config.compose import load
from experiments.config.words import run_name
from experiments.errors import ConfigError
from experiments.experiment import Result
from experiments.experiment import run as run_config
from experiments.terminal import interruption
from experiments.terminal.comparison import with_columns
from experiments.terminal.progress import Progress
from experiments.terminal.screen import screen
from experiments.tracking import runs as recorded
from experiments.tracking.model import opened_model

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig

    from experiments.tracking.experiments_pyfunc import Answers

__all__ = ["compare", "load_model", "run", "sweep"]


@contextlib.contextmanager
def _heeding_ctrl_c() -> Iterator[None]:
    """Within it Ctrl-C ends Spark's jobs too. Handlers of somebody else's stay as they are."""
    from experiments.cluster.jobs import end_jobs_soon

    ending = []

    def end(number: int, frame: object) -> None:
        told = interruption.remembered(KeyboardInterrupt())
        ending.append(end_jobs_soon())
        raise told

    is_main = threading.current_thread() is threading.main_thread()
    if is_main:
        interruption.forget()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
        interruption.go_on()
    finally:
        if signal.getsignal(signal.SIGINT) is end:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        for each in ending:
            each.cancel()  # jobs that begin afterwards are others
        interruption.forget()


def run(words: Sequence[str] = (), config_dir: str | Path | None = None, quiet: bool = False) -> Result:
    """Fit, judge and record one experiment, as `experiments WORDS…` does. The SparkSession stays for the next one.

    Args:
        words: overrides such as `model=ridge` or `model.estimator.regParam=0.1`.
        config_dir: a folder with config groups of your own.
        quiet: without progress on standard error; warnings are told all the same.

    Returns:
        The run's id, its model's URI for `load_model`, metrics, row counts and seconds.

    Raises:
        ConfigError: words that do not fit, all of them at once, before Spark starts.
        ExperimentError: what went wrong afterwards; the run is then FAILED.
    """
    config = load(words, config_dir)
    name = run_name(config, words)
    with _heeding_ctrl_c():
        console = screen(stderr=True)
        return run_config(config, name, Progress(name, None if quiet else console, console))


def sweep(words: Sequence[str], config_dir: str | Path | None = None) -> pd.DataFrame:
    """Run the trials that words make, as `experiments -m WORDS…` does, and those only that are not done yet.

    Args:
        words: overrides of which some have several values, as in `model.estimator.regParam=0.1,1`.
        config_dir: a folder with config groups of your own.

    Returns:
        A row for each trial, the best first: `trial`, `name`, what was swept, `status`, `metric` and its `value` by
        which the best is chosen, further metrics, `seconds`, `run_id`, `reason` of a failure, and `model_uri` where the
        trial has a model: `load_model(table.model_uri[0])`. `attrs["run_id"]` is the sweep's own run.

    Raises:
        ConfigError: words that do not fit, before anything starts.
        SweepFailed: trials that failed, once all others have ended.
    """
    import pandas as pd

    from experiments.jobs import compose_and_call, run_trial
    from experiments.sweeps import command, trials
    from experiments.sweeps.report import by_metric
    from experiments.sweeps.sweep import Sweep

    def job(_: DictConfig) -> float | None:
        surrounding = trials.current.get()
        assert isinstance(surrounding, Sweep)
        return run_trial(surrounding)

    if isinstance(words, str):
        raise ConfigError([f"words must be a list, got the text '{words}'; put it in brackets"])
    heard: list[Sweep] = []
    token, argv = command.listener.set(heard.append), sys.argv
    options = ["--config-dir", str(config_dir)] if config_dir is not None else []
    try:
        with _heeding_ctrl_c():
            compose_and_call(["-m", *options, *words], job)
    finally:
        command.listener.reset(token)
        sys.argv = argv
    if not heard:
        return pd.DataFrame()  # of --dry-run
    (made,) = heard
    table = pd.DataFrame(by_metric(made.plan, made.table(), {trial.number for trial in made.best.values()}))
    models = {trial.number: made.outcomes[trial.hash].model_uri or None for trial in made.plan.trials}
    table["model_uri"] = table["trial"].map(models)
    table["value"] = pd.to_numeric(table["value"])
    table.attrs["run_id"] = made.run.run_id
    return table


def load_model(model: Result | str, words: Sequence[str] = ()) -> Answers:
    """A logged model: `predict` takes pandas frames as they are read, and answers in the data's own words.

    Args:
        model: what `run` returned, the id of a run, or a URI: `models:/m-…`, `models:/houses@candidate`.
        words: overrides that say where the store is, such as `tracking.folder=my_runs`; a result knows it.

    Raises:
        ConfigError: a run that has no model, a registered model that is not there.
    """
    uri = model.model_uri if isinstance(model, Result) else model
    if isinstance(model, Result) and not words and not any("[redacted]" in word for word in model.where):
        words = model.where
    if uri is None:
        raise ConfigError(["model must be logged, got a run without one; sweep.models=all logs that of each trial"])
    if not isinstance(uri, str):
        example = (
            "its model_uri column has URIs" if hasattr(uri, "columns") else "models:/m-… or models:/houses@candidate"
        )
        raise ConfigError([f"model must be what `run` returned, or a URI, got a {type(uri).__name__}; {example}"])
    return opened_model(load(words), uri)


def compare(
    of: str | None = None, words: Sequence[str] = (), sort: str | None = None, columns: Sequence[str] = ()
) -> pd.DataFrame:
    """Finished runs that differ in nothing but their seed as one row each, as `experiments compare` shows them.

    Args:
        of: name of an experiment, or id of a sweep's run; None for all experiments.
        words: overrides that say where the store is, such as `tracking.folder=my_runs`.
        sort: a metric by which the best comes first; None for the one that decides.
        columns: metrics and params, as `regParam`, to show instead of all metrics.

    Returns:
        `run_id` (of the newest), `name`, `runs` (how many), and of each metric its mean and, where one has several,
        `METRIC_deviation`; or `columns`.

    Raises:
        ConfigError: no such experiment, sweep, metric or param.
    """
    if isinstance(columns, str):
        raise ConfigError([f"columns must be a list, got the text '{columns}'; put it in brackets"])
    found = recorded.runs(of, words)
    compared = recorded.over_seeds(found, sort)
    return with_columns(compared, found, columns) if columns else compared

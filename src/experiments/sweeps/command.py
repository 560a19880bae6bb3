"""A sweep from its plan to the end: what is done already, what runs, and how it all ended."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

from experiments.cluster.session import StartingSession, starting_session
from experiments.config.schema import Config
from experiments.errors import ConfigError
from experiments.figures.process import drawing_process
from experiments.sweeps.plan import Plan
from experiments.sweeps.shown import dry_run, print_table
from experiments.sweeps.sweep import Launch, Sweep
from experiments.sweeps.trials import current
from experiments.terminal import interruption
from experiments.terminal.screen import say, screen
from experiments.tracking.lifecycle import Parent, given_experiment
from experiments.tracking.spool import open_spool
from experiments.tracking.store import FILE, check_store, open_store, sqlite_file
from experiments.tracking.sweeps import Choice, close_gone, earlier_choices, experiments_of, finished_runs, sweep_run
from experiments.tracking.sync import sync

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

# Told of a sweep that begins; for who started it from Python.
listener: ContextVar[Callable[[Sweep], None] | None] = ContextVar("listener", default=None)


def run_sweep(plan: Plan, launch: Launch) -> None:
    """Run what is not done yet, and record all of it as one run with a child for each trial.

    Raises:
        ConfigError: nothing was started.
        SweepFailed: once all others have ended.
    """
    config = plan.config
    if config.sweep.dry_run:
        dry_run(plan, _done_without_writing(plan))
        return
    starting = starting_session(config.cluster)
    try:
        _run(plan, launch, starting)
    finally:
        starting.abandon()


def _run(plan: Plan, launch: Launch, starting: StartingSession) -> None:
    config = plan.config
    check_store(config.tracking)
    client = open_store(config)
    _deliver_spool(config)
    configs = [config, *(trial.config for trial in plan.trials)]
    close_gone(client, sorted(set(experiments_of(client, configs).values())))
    done, choices = _earlier(client, plan)
    if len(done) < plan.size:
        starting.allow()
    given = given_experiment(client)
    with sweep_run(client, plan.recorded(), len(done) == plan.size) as run, interruption.interruptible():
        sweep = Sweep(plan, run, Parent(run.run_id, given), done, choices)
        if (tell := listener.get()) is not None:
            tell(sweep)
        token = current.set(sweep)
        try:
            with sweep.shown, drawing_process():
                sweep.go(launch)
        finally:
            current.reset(token)
            sweep.shared.close()
            print_table(plan, sweep.table(), sweep.best, run, sweep.models)
        sweep.check()


def _deliver_spool(config: Config) -> None:
    """What an earlier command could not deliver, so that no trial of it runs again.

    Raises:
        ConfigError: some of it cannot be delivered now either.
    """
    spool = open_spool(config)
    if spool is not None and (spool.folder / FILE).exists():
        made = sync(config, spool.folder, is_spool=True)
        for line in made.said():
            say(line, screen(stderr=True))
        if made.failed:
            raise ConfigError(
                [
                    f"tracking.spool must be delivered before a sweep, or its trials would run twice, got "
                    f"{len(made.failed)} runs in {spool.folder} that could not be; try `experiments sync` again, or "
                    "move the folder away"
                ]
            )


def _earlier(client: MlflowClient, plan: Plan) -> tuple[dict[str, Run], dict[int, Choice]]:
    """What earlier commands left: finished runs by the hash of what they computed, and what was chosen by place."""
    if plan.config.sweep.rerun:
        return {}, {}
    if plan.is_grid:
        return finished_runs(client, {trial.hash: trial.config for trial in plan.trials}), {}
    choices = earlier_choices(client, plan.recorded(), plan.config.sweep.trials or 0)
    return {key: run for choice in choices.values() for key, run in choice.runs.items()}, choices


def _done_without_writing(plan: Plan) -> dict[str, Run]:
    """What is done; of a local store that is not there yet nothing is, and asking MLflow would make it."""
    file = sqlite_file(plan.config.tracking)
    if plan.config.sweep.rerun or (file is not None and not file.exists()):
        return {}
    check_store(plan.config.tracking)
    return _earlier(open_store(plan.config), plan)[0]

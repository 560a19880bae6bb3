"""Hydra's jobs as threads of this process, each with a `HydraConfig` and a scheduler pool of Spark's own."""

from __future__ import annotations

import contextlib
import contextvars
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from experiments.cluster.addresses import local_cores
from experiments.errors import ConfigError
from experiments.sweeps.composer import Composer
from experiments.sweeps.trials import Trials, current
from experiments.terminal import interruption

MOST_PARALLEL = 8
# On a cluster the driver has little to do but wait.
CLUSTER_PARALLEL = 4
SECONDS_TO_END = 60
SECONDS_TO_LOOK = 0.3
THREADS = "trial"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def launch(
    context: HydraContext,
    master: DictConfig,
    task_function: TaskFunction,
    job_overrides: Iterable[Sequence[str]],
    first: int,
) -> list[JobReturn]:
    """Run the jobs, `sweep.n_jobs` at a time; those of a sweep that was told to stop are left out.

    Args:
        job_overrides: the words of each job, asked for when there is a thread for it.
        first: number of the first job.

    Raises:
        ConfigError: settings of Hydra's that change the whole process.
        KeyboardInterrupt: in this thread, once every job has ended and closed its run.
    """
    _check(master)
    returned: dict[int, JobReturn] = {}
    composer = Composer(context.config_loader, master)
    with _trials() as trials, _hydra_config_of_each_thread():
        pool: ThreadPoolExecutor | None = None
        running: dict[Future[JobReturn], int] = {}
        try:
            for number, words in enumerate(job_overrides, first):
                # Composed here, as Hydra's loader is made for one thread, and as late as can be: configs are large.
                config = composer.compose(words)
                with open_dict(config):
                    config.hydra.job.id = config.hydra.job.num = number
                workers = config.sweep.n_jobs or _workers(str(config.cluster.master))
                pool = pool or ThreadPoolExecutor(workers, THREADS)
                job = pool.submit(contextvars.copy_context().run, _job, task_function, config, context)
                running[job] = number
                # Before the next words are asked for, which may depend on how this ends.
                _collect(running, returned, trials, until=workers - 1)
                if trials.stopping.is_set():
                    break
            _collect(running, returned, trials, until=0)
        except BaseException:
            trials.stopping.set()
            raise
        finally:
            _end(running, trials)
            if pool is not None:
                pool.shutdown(wait=not running)
    return [returned[number] for number in sorted(returned)]


def _collect(running: dict[Future[JobReturn], int], returned: dict[int, JobReturn], trials: Trials, until: int) -> None:
    """Wait until no more jobs than that are running."""
    while len(running) > until:
        done, _ = wait(running, timeout=SECONDS_TO_LOOK, return_when=FIRST_COMPLETED)
        interruption.go_on()
        if trials.stopping.is_set():
            trials.cancel()
        for job in done:
            number = running.pop(job)
            if not isinstance(job.exception(), KeyboardInterrupt):  # a trial that was stopped
                returned[number] = job.result()
                # Nobody reads them, and a thousand jobs' configs are half a gigabyte.
                returned[number].cfg = returned[number].hydra_cfg = None


def _end(running: dict[Future[JobReturn], int], trials: Trials) -> None:
    """Have the jobs that are left end soon: cancel what Spark does for them until all have closed their runs."""
    if not running:
        return
    end = time.monotonic() + SECONDS_TO_END
    with _unheard_signals():
        while running and time.monotonic() < end:
            trials.cancel()
            done, _ = wait(running, timeout=SECONDS_TO_LOOK)
            for job in done:
                del running[job]


@contextlib.contextmanager
def _unheard_signals() -> Iterator[None]:
    """Whoever asks once more to end is not heard for as long as runs are being closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_any_trial_alive() -> bool:
    """Whether a thread still works on a trial that was told to end."""
    return any(thread.name.startswith(THREADS) for thread in threading.enumerate())


def _job(task_function: TaskFunction, config: DictConfig, context: HydraContext) -> JobReturn:
    return run_job(
        task_function=task_function,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        hydra_context=context,
        configure_logging=False,
    )


def _check(master: DictConfig) -> None:
    problems = []
    if master.hydra.job.chdir:
        problems.append("hydra.job.chdir must be false where trials are threads of one process, got true")
    if master.hydra.job.env_set:
        problems.append(
            "hydra.job.env_set must be empty where trials are threads of one process; set the variables before"
        )
    if problems:
        raise ConfigError(problems)


def _workers(master: str) -> int:
    cores = local_cores(master)
    # One more than there are cores, as a trial also waits: for its figures, for the store.
    return CLUSTER_PARALLEL if cores is None else min(cores + 1, MOST_PARALLEL)


@contextlib.contextmanager
def _trials() -> Iterator[Trials]:
    """Those of the sweep that launches, or of this launch alone under a sweeper of somebody else's."""
    known = current.get()
    if known is not None:
        yield known
        return
    made = Trials()
    token = current.set(made)
    try:
        yield made
    finally:
        current.reset(token)
        made.shared.close()


class _OfEachThread(HydraConfig):
    """`HydraConfig` whose config is another one in each thread."""

    _here = threading.local()

    @property
    def cfg(self) -> Any:
        return getattr(self._here, "cfg", None)

    @cfg.setter
    def cfg(self, value: Any) -> None:
        self._here.cfg = value


@contextlib.contextmanager
def _hydra_config_of_each_thread() -> Iterator[None]:
    """Hydra keeps one config for the whole process, which `HydraConfig.get()` and `${hydra:…}` look at."""
    before = HydraConfig.instance()
    instances: dict[type, Any] = Singleton._instances
    instances[HydraConfig] = _OfEachThread()
    HydraConfig.instance().cfg = before.cfg
    try:
        yield
    finally:
        instances[HydraConfig] = before

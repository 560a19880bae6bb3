"""`hydra/launcher=spark`: the jobs of a sweep as threads of one driver, which share its Spark session."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SparkLauncher(Launcher):
    """As many jobs at a time as `sweep.n_jobs` of their configs says. Works under any sweeper."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        return self.launch_as_asked(job_overrides, initial_job_idx)

    def launch_as_asked(self, job_overrides: Iterable[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """The same for words that are made one after another, each when there is a thread for it."""
        from experiments.sweeps.launcher import launch

        return launch(self.hydra_context, self.config, self.task_function, job_overrides, initial_job_idx)


@dataclass
class SparkLauncherConf:
    """`hydra/launcher=spark`."""

    _target_: str = f"{__name__}.SparkLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="spark", node=SparkLauncherConf, provider="experiments")

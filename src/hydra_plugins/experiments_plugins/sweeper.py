"""`hydra/sweeper=spark`: the trials of a command, recorded as one parent run with a child for each."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from .launcher import SparkLauncher


class SparkSweeper(Sweeper):
    """Hydra's own syntax of sweeps: every combination, or as many choices as the config group `sweep` says; what is
    done already is not run again."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from experiments.errors import ConfigError
        from experiments.sweeps.command import run_sweep
        from experiments.sweeps.plan import plan

        assert self.hydra_context is not None
        assert self.config is not None
        launcher = self.launcher
        assert launcher is not None
        made = plan(self.hydra_context.config_loader, self.config, arguments, sys.argv[1:])
        if isinstance(launcher, SparkLauncher):
            return run_sweep(made, launcher.launch_as_asked)
        if not made.is_grid:
            raise ConfigError([f"hydra/launcher must be spark with sweep={made.config.sweep.method.value}"])

        def launch(words: Iterable[Sequence[str]], first: int) -> Any:
            return launcher.launch(list(words), first)

        return run_sweep(made, launch)


@dataclass
class SparkSweeperConf:
    """`hydra/sweeper=spark`."""

    _target_: str = f"{__name__}.SparkSweeper"


ConfigStore.instance().store(group="hydra/sweeper", name="spark", node=SparkSweeperConf, provider="experiments")

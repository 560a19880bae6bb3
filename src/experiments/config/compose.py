"""Words become one checked config, outside of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from experiments.config.explain import explain
from experiments.config.loader import from_composed, hydra_on, resolved
from experiments.config.schema import Config
from experiments.config.words import composable
from experiments.errors import ConfigError


def load(overrides: Sequence[str] = (), config_dir: str | Path | None = None) -> Config:
    """Compose a config as the command line would, without running anything.

    Args:
        overrides: words such as `model=ridge` or `model.estimator.regParam=0.1`.
        config_dir: a folder with groups of your own, searched after ours.

    Raises:
        ConfigError: every override that does not fit, with the nearest that would.
    """
    return from_composed(compose(overrides, config_dir), overrides)


def compose(overrides: Sequence[str] = (), config_dir: str | Path | None = None) -> DictConfig:
    """The composed, unresolved-but-resolvable config, without Hydra's own node.

    Raises:
        ConfigError: with every override that does not fit.
    """
    if isinstance(overrides, str):
        raise ConfigError([f"words must be a list, got the text '{overrides}'; put it in brackets"])
    words = composable(overrides)
    try:
        with hydra_on(config_dir):
            return resolved(words)
    except (HydraException, OmegaConfBaseException) as cause:
        raise explain(cause, overrides, config_dir) from cause

"""What can be known to be wrong before anything starts."""

from __future__ import annotations

from experiments.config.schema import Config
from experiments.data.checks import check_data
from experiments.errors import ConfigError
from experiments.pipeline.stages import check_stages
from experiments.tracking.registry import check_registry
from experiments.tuning import check_tuning


def validate(config: Config) -> None:
    """Everything that can be known without Java.

    Raises:
        ConfigError: all problems together.
    """
    problems = check_stages(config)
    problems += [] if problems else check_tuning(config)
    problems += check_data(config)
    problems += check_registry(config)
    if problems:
        raise ConfigError(problems)

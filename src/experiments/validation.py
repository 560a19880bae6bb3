"""What can be known to be wrong before anything starts."""

from __future__ import annotations

from experiments.cluster.checks import check_cluster
from experiments.config.schema import Config, SweepMethod
from experiments.config.values import spark_conf
from experiments.data.checks import check_data
from experiments.errors import ConfigError, lists_of
from experiments.pipeline.stages import check_stages, stages_of
from experiments.tracking.registry import check_registry
from experiments.tuning.grid import check_tuning


def validate(config: Config) -> None:
    """Everything that can be known without Java.

    Raises:
        ConfigError: all problems together.
    """
    problems = check_stages(config)
    problems += [] if problems else check_tuning(config)
    problems += [] if problems else _check_cluster(config)
    with lists_of(config.data):
        problems += check_data(config)
    problems += check_registry(config)
    if problems:
        raise ConfigError(problems)


def _check_cluster(config: Config) -> list[str]:
    """Settings with which Spark does not start, or that a stage says it cannot work with."""
    settings = spark_conf(config.cluster)
    types = {stage.type for stage in stages_of(config) if hasattr(stage.type, "refused_settings")}
    refused = [problem for stage_type in types for problem in stage_type.refused_settings(settings)]
    return [*check_cluster(config.cluster, settings), *refused]


def check_one_run(config: Config) -> None:
    """Refuse what only a sweep heeds.

    Raises:
        ConfigError: it would be lost without a word.
    """
    if config.sweep.dry_run:
        raise ConfigError(["sweep.dry_run must be false without -m or with a sweeper other than spark; use --dry-run"])
    if config.sweep.method is not SweepMethod.grid:
        raise ConfigError(
            [f"sweep must be grid without -m or with another sweeper, got {config.sweep.method.value}; add -m"]
        )

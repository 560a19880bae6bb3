"""What cannot be submitted, and what does it instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments.cluster.kubernetes import SCHEME
from experiments.cluster.submitting import has_python
from experiments.config.schema import Config, TableData
from experiments.data.table import paths_of
from experiments.errors import ConfigError
from experiments.tracking.handed_over import check_reached_from_elsewhere

YARN = "yarn"


def check_words(words: Sequence[str]) -> None:
    """Refuse what makes several runs.

    Raises:
        ConfigError: an option of Hydra's.
    """
    options = [word for word in words if word.startswith("-")]
    if options:
        raise ConfigError(
            [
                f"submit must be given words of one run, got {' '.join(options)}; a sweep on a cluster has its driver "
                "here: experiments -m cluster=yarn …"
            ]
        )


def check_submission(config: Config) -> None:
    """Refuse a config whose driver cannot be in the cluster.

    Raises:
        ConfigError: all problems together.
    """
    problems = [*_of_cluster(config), *_of_paths(config), *check_reached_from_elsewhere(config.tracking)]
    if problems:
        raise ConfigError(problems)


def _of_cluster(config: Config) -> Iterator[str]:
    master = config.cluster.master
    if master != YARN:
        why = "that runs drivers of Python"
        if master.startswith("spark://"):
            why = "that runs drivers of Python, which Spark's own clusters do not"
        elif master.startswith(SCHEME):
            why = "whose drivers are tried, which Kubernetes's are not"
        yield (
            f"cluster.master must be yarn, a cluster {why}, to be submitted to, got '{master}'; without `submit` the "
            "driver is in this command, or choose cluster=yarn"
        )
    elif not has_python(config.cluster):
        yield (
            "cluster.environment must be an archive with the driver's packages, as the driver is in the cluster, got "
            "none; `experiments pack --driver --to hdfs:///environment.tar.gz` makes it, or where all machines have "
            "them at one place cluster.python=/opt/env/bin/python"
        )


def _of_paths(config: Config) -> Iterator[str]:
    """Paths that mean another file in the driver's folder than here."""
    if not isinstance(config.data, TableData):
        return
    for key, path in (("data.path", config.data.path), ("data.test_path", config.data.test_path)):
        for each in paths_of(path):
            if "://" not in each and not each.startswith(("/", "hdfs:", "file:")):
                yield (
                    f"{key} must be a place that the cluster's machines read, got '{each}', which is relative to this "
                    f"folder; hdfs dfs -put it, then {key}=hdfs:///…"
                )

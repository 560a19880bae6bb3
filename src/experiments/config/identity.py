"""What identifies an experiment, its data and its stages: what is computed, wherever it runs and is recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from experiments.config.schema import Config
from experiments.config.values import plain_value
from experiments.redaction import redact

# Where an experiment runs, where it is recorded and how it goes: keys that do not tell what is computed.
CIRCUMSTANCES = ("cluster", "tracking", "registry", "sweep", "tuning.parallelism")


def is_circumstance(key: str) -> bool:
    """Whether a key of the config, or one above it, is a circumstance."""
    return any(key == known or key.startswith(f"{known}.") for known in CIRCUMSTANCES)


# Of the data's keys those that do not tell which rows judge.
_OF_NO_ROWS = ("data.balance", "data.positive", "data.cache", "data.partitions")


def parts_rows(key: str) -> bool:
    """Whether a key of the config may say which rows are held out."""
    return key == "seed" or (key.startswith("data.") and key not in _OF_NO_ROWS)


def config_hash(config: Config) -> str:
    """Identity of an experiment: what is computed, not where it runs nor where it is recorded."""
    values = plain_value(asdict(config))
    # Only a reader's settings hold secrets that do not change what is computed.
    if "options" in values["data"]:
        values["data"]["options"] = redact(values["data"]["options"])
    for known in CIRCUMSTANCES:
        group, _, key = known.partition(".")
        del (values[group] if key else values)[key or group]
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


# Parameters of stages that name a column of the data besides its features.
_COLUMNS = ("weightCol", "offsetCol", "censorCol")


def stage_columns(config: Config) -> list[str]:
    """Columns of the data that stages read besides the features."""
    nodes = [*config.preprocessing.values(), *config.model.stages.values(), config.model.estimator]
    named = [node[name] for node in nodes if isinstance(node, Mapping) for name in _COLUMNS if node.get(name)]
    return list(dict.fromkeys(map(str, named)))


def data_key(config: Config) -> str:
    """Identity of a loaded data set: what is read, what it is split by, and what its label is for."""
    read = [asdict(config.data), config.model.task.value, config.seed, stage_columns(config)]
    return json.dumps(read, sort_keys=True, default=str)


def stages_key(config: Config) -> str:
    """Identity of what is done to the rows before the estimator sees them."""
    before = [config.preprocessing, config.model.stages]
    return json.dumps([data_key(config), before], sort_keys=True, default=str)

"""Command-line words: as Hydra wants them, and as a run is named after them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

from experiments.config.quoting import SETTINGS, readable
from experiments.config.schema import Config
from experiments.errors import ConfigError, override, wrong_choice
from experiments.redaction import redact_text

# Mappings whose keys are Spark's or a generator's: an override there adds the key.
OPEN_MAPPINGS = ("model.stages", "model.estimator", "tuning.grid", "data.options", "data.parameters", "cluster.conf")
# `preprocessing=…` chooses from the group, `preprocessing.STAGE…=` sets a parameter.
_OPEN_OVERRIDE = re.compile(
    rf"^(({'|'.join(re.escape(name) for name in OPEN_MAPPINGS)})(\.[^=]+)?|preprocessing\.[^=]+)=", re.DOTALL
)


def open_override(word: str) -> str:
    """A command-line word as Hydra wants it: a new key in an open mapping needs `++`, some texts need quotes."""
    spelt = readable(word)
    return f"++{spelt}" if _OPEN_OVERRIDE.match(spelt) else spelt


# Stands for a dot in the name of a setting that is the beginning of another's: a tree of keys could not hold
# `spark.speculation` beside `spark.speculation.quantile`.
DOT = "$dot$"


def composable(words: Sequence[str]) -> list[str]:
    """The words of a command as they compose together.

    Raises:
        ConfigError: a list that is said twice, of which the first would be lost.
    """
    _refuse_two_lists(words)
    keys = [word.partition("=")[0].lstrip("+") for word in words]
    made = []
    for word, key in zip(words, keys, strict=True):
        group = next((group for group in SETTINGS if key.startswith(group)), None)
        if group is not None and any(other.startswith(f"{key}.") for other in keys):
            word = word.replace(key, group + key.removeprefix(group).replace(".", DOT), 1)
        made.append(open_override(word))
    return made


def _refuse_two_lists(words: Sequence[str]) -> None:
    """Of a number that is typed twice the last is meant; lists are typed twice by who means both."""
    several: dict[str, list[str]] = {}
    for word in words:
        key, _, value = word.lstrip("+").partition("=")
        if re.fullmatch(r"data\.\w+", key) and value.startswith("["):
            several.setdefault(key, []).append(word)
    for key, typed in several.items():
        if len(typed) == 1:
            continue
        lists = [_listed(word) for word in typed]
        # An empty list is typed to be rid of what is there; what the last one has is not lost.
        there = dict.fromkeys(str(each) for values in lists for each in values or ())
        if all(lists) and there.keys() - {str(each) for each in lists[-1] or ()}:
            raise ConfigError([f"{key} must be said once, got {len(lists)} lists; all of them: {override(key, there)}"])


def _listed(word: str) -> list[Any] | None:
    """What a word's list has; None where it is another list for each trial, or cannot be read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        (parsed,) = OverridesParser.create().parse_overrides([open_override(word)])
    except HydraException:
        return None
    value = None if parsed.is_sweep_override() else parsed.value()
    return value if isinstance(value, list) else None


def as_typed(key: str) -> str:
    """The key of a word that was made to compose."""
    return key.replace(DOT, ".")


NAMED = ("data", "preprocessing", "seed")
# Of data, what parts runs of the same file.
_OF_ROWS = (
    "rows",
    "limit",
    "missing",
    "fill_value",
    "balance",
    "stratified",
    "test_fraction",
    "group",
    "time",
    "weight",
)
# What is used of it; of long lists the first and how many there are.
OF_COLUMNS = ("data.features", "data.exclude", "data.categories")
_LONGEST = 24
_ROW_KEYS = {f"data.{key}" for key in _OF_ROWS}


def run_name(config: Config, words: Sequence[str]) -> str:
    """The model, what was overridden in it, and on what it is fitted where that was said, as in
    `ridge regParam=0.1 data=diabetes seed=2`."""
    # Of a key that is typed twice the last is true.
    typed = {word.lstrip("+").partition("=")[0]: word.lstrip("+") for word in words}
    changed = [word.removeprefix("model.estimator.") for word in typed.values() if word.startswith("model.")]
    said = {key: word for key, word in typed.items() if key in NAMED}
    if "data" in said:
        said["data"] = f"data={config.data.name}"
    of_rows = {key: word for key, word in typed.items() if key in _ROW_KEYS}
    of_columns = [_short(word) for key, word in typed.items() if key in OF_COLUMNS]
    named = [said[key] for key in NAMED if key in said]
    return redact_text(" ".join([config.model.name, *changed, *of_rows.values(), *of_columns, *named]))


def _short(word: str) -> str:
    key, _, value = word.partition("=")
    names = _listed(word)
    if len(value) <= _LONGEST or not names:
        return word
    return f"{key}=[{str(names[0])[:_LONGEST]}…]{f' ({len(names)})' if len(names) > 1 else ''}"


class Submits(Enum):
    """Where `mlflow run` is to have the driver."""

    true = "in the cluster"
    auto = "in the cluster where that is YARN"


def submits_of_mlflow(words: Sequence[str]) -> Submits | None:
    """What `-P submit=…` says; None: the driver is here.

    Raises:
        ConfigError: another value.
    """
    value = dict(zip(words[::2], words[1::2], strict=False)).get(_SUBMIT, "false").lower()
    names = [*Submits.__members__, "false"]
    if value not in names:
        raise ConfigError([wrong_choice("submit", value, names)])
    return Submits.__members__.get(value)


_SUBMIT = "--submit"


def overrides_of_mlflow(words: Sequence[str]) -> list[str]:
    """`--key value` pairs as Hydra's words; `multirun` and `config_dir` stand for Hydra's options.

    Raises:
        ConfigError: words that are no pairs.
    """
    if len(words) % 2 or any(not key.startswith("--") for key in words[::2]):
        raise ConfigError([f"-P must be key=value, got {' '.join(words)}"])
    overrides = []
    for key, value in zip(words[::2], words[1::2], strict=True):
        name = key.removeprefix("--")
        if name == "multirun":
            overrides += ["--multirun"] if value.lower() == "true" else []
        elif name == "config_dir":
            overrides += ["--config-dir", value]
        elif key != _SUBMIT:
            overrides.append(f"{name}={value}")
    return overrides

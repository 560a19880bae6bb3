"""What was wrong with overrides, each for itself, with the nearest that is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, OverrideType
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from experiments.config.loader import hydra_on, resolved
from experiments.config.values import flatten
from experiments.config.words import open_override
from experiments.errors import ConfigError, suggest, wrong_choice


def explain(cause: Exception, overrides: Sequence[str], config_dir: str | Path | None = None) -> ConfigError:
    """Every override that is wrong, each alone against a composition of the valid choices, else the cause's words."""
    try:
        with hydra_on(config_dir) as loader:
            problems = _problems(loader, overrides)
    except (HydraException, OmegaConfBaseException):
        problems = []
    return ConfigError(problems or [_first_words(cause)])


def _problems(loader: ConfigLoaderImpl, overrides: Sequence[str]) -> list[str]:
    problems, chosen, rest = [], [], []
    for word in overrides:
        try:
            parsed = OverridesParser.create().parse_override(open_override(word))
        except OverrideParseException:
            problems.append(
                f"'{word}' must be an override such as model.estimator.regParam=0.1; "
                "put values with brackets, commas or quotes inside '…'"
            )
            continue
        key = parsed.key_or_group.split("@")[0]
        if loader.repository.group_exists(key) and "=" in word:
            wrong = _wrong_choices(loader, key, parsed)
            problems += wrong
            if not wrong:
                first = str(_values(parsed)[0]).replace("'", "")  # of a list too
                chosen.append(f"{word.split('=', 1)[0]}={first}")
        else:
            rest.append((word, parsed))
    base = resolved(chosen)
    for word, parsed in rest:
        problems += _misfits(base, word, parsed)
    return problems


def _values(parsed: Override) -> list[Any]:
    """What an override sets: one value, or each value of a sweep, of an interval its ends."""
    value = parsed.value()
    if isinstance(value, IntervalSweep):
        return [value.start, value.end]
    if parsed.is_sweep_override():
        return list(parsed.sweep_iterator())
    return [value]


def _wrong_choices(loader: ConfigLoaderImpl, group: str, parsed: Override) -> list[str]:
    options = [name for name in loader.get_group_options(group) if not name.endswith("_schema")]
    return [
        wrong_choice(group, choice, options)
        for value in _values(parsed)
        for choice in (value if isinstance(value, list) else [value])
        if choice is not None and str(choice) not in options
    ]


def _misfits(base: DictConfig, word: str, parsed: Override) -> list[str]:
    if parsed.type not in (OverrideType.CHANGE, OverrideType.FORCE_ADD) or parsed.key_or_group.startswith("hydra"):
        return []
    key = parsed.key_or_group
    found = []
    for value in _values(parsed):
        trial = base.copy()
        try:
            if parsed.is_force_add():
                OmegaConf.set_struct(trial, False)
            OmegaConf.update(trial, key, value, merge=True)
        except (ConfigKeyError, ConfigAttributeError):
            return [_unknown_key(base, key)]
        except OmegaConfBaseException as error:
            found.append(f"{key} must fit its type, got '{value}': {_first_words(error)}")
    return found


def _unknown_key(base: DictConfig, key: str) -> str:
    values = OmegaConf.to_container(base)
    assert isinstance(values, dict)
    known = {path for path, _ in flatten({str(name): value for name, value in values.items()})}
    known |= {path.rsplit(".", depth)[0] for path in known for depth in (1, 2)}
    parent = key.rpartition(".")[0]
    siblings = sorted(path for path in known if path.rpartition(".")[0] == parent)
    near = suggest(key, known)
    return f"{key} must be a key of the config, got one it does not have{near or '; there are ' + ', '.join(siblings)}"


def _first_words(cause: BaseException) -> str:
    """The sentences of an OmegaConf or Hydra message, without the lines that name its own classes."""
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    key = next((line.removeprefix("full_key: ") for line in lines if line.startswith("full_key: ")), "")
    text = " ".join(line for line in lines if not line.startswith(("full_key:", "object_type=", "reference_type=")))
    return f"{key}: {text}" if key and key not in text else text

"""What was wrong with overrides, each for itself, with the nearest that is right."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.types import IntervalSweep, Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from experiments.config.choices import GROUPS, choices
from experiments.config.loader import hydra_on, resolved
from experiments.config.quoting import Kind, as_list, as_text, kind_of, parsed, shown_value, spelling
from experiments.config.schema import TableData
from experiments.config.values import flatten
from experiments.config.words import open_override
from experiments.errors import ConfigError, override, suggest, wrong_choice


def explain(cause: Exception, overrides: Sequence[str], config_dir: str | Path | None = None) -> ConfigError:
    """Every override that is wrong, each alone against a composition of the valid choices, else the cause's words."""
    if config_dir is not None and not Path(config_dir).is_dir():
        return ConfigError([f"--config-dir must be a folder with config groups, got '{config_dir}', which is none"])
    needs_multirun = "Ambiguous value" in str(cause) or "requires --multirun" in str(cause)
    problems = _sweeps(overrides) if needs_multirun else []
    # Where not even the valid choices compose, the cause itself is all that can be said.
    with contextlib.suppress(HydraException, OmegaConfBaseException), hydra_on(config_dir) as loader:
        problems += _problems(loader, overrides, config_dir)
    return ConfigError(problems or [_first_words(cause)])


def _problems(loader: ConfigLoaderImpl, overrides: Sequence[str], config_dir: str | Path | None = None) -> list[str]:
    problems, chosen, rest = [], [], []
    for place, word in enumerate(overrides):
        read = parsed(open_override(word))
        if read is None or not read.key_or_group:
            problems += _unreadable(loader, word, overrides[place - 1] if place else "")
            continue
        key = read.key_or_group.split("@")[0]
        if loader.repository.group_exists(key) and "=" in word:
            wrong = _wrong_choices(loader, key, read, config_dir)
            problems += wrong
            if not wrong:
                first = str(_values(read)[0]).replace("'", "")  # of a list too
                chosen.append(f"{word.split('=', 1)[0]}={first}")
        else:
            rest.append(read)
    base = resolved(chosen)
    for read in rest:
        problems += _misfits(base, read)
    return [*problems, *_of_launchers(overrides)]


def _unreadable(loader: ConfigLoaderImpl, word: str, before: str) -> list[str]:
    """What is wrong with a word that Hydra cannot read, with a spelling that it can where there is one."""
    key, equals, value = word.partition("=")
    if not equals:
        return [_no_override(word, before)]
    if not key or parsed(f"{key}=1") is None:
        return [f"a key must be made of letters a to z, digits, _ and dots, got '{key}'; others need a YAML file"]
    if loader.repository.group_exists(key):
        options = [name for name in loader.get_group_options(key) if not name.endswith("_schema")]
        return [wrong_choice(key, value, options)]
    spelt = spelling(word)
    read = spelt and parsed(open_override(spelt))
    misfits = _misfits(resolved([]), read) if read and not read.is_force_add() else []
    way_out = f"write {shlex.quote(spelt)}" if spelt else 'close its brackets and quotes, or put texts in "…"'
    return misfits or [f"{key} must have a value that Hydra can read, got '{shown_value(key, value)}'; {way_out}"]


def _no_override(word: str, before: str) -> str:
    """A word without `=`: a part of the value before it, if a space was left without quotes."""
    key, equals, value = before.partition("=")
    joined = as_text(key, f"{value} {word}") if equals and kind_of(key) in (Kind.text, Kind.either) else None
    meant = next((group for group in GROUPS if word in choices(group)), None)
    way_out = f"; a file is read by data=table {override('data.path', word)}" if os.path.isfile(word) else ""
    way_out = f"; did you mean '{meant}={word}'?" if meant else way_out
    way_out = f"; where it belongs to {key}, write {shlex.quote(joined)}" if joined else way_out
    return f"words must be of the form key=value, got '{word}'{way_out}"


def _sweeps(overrides: Sequence[str]) -> list[str]:
    """Values of which a run can have only one."""
    problems = []
    for word in overrides:
        read = parsed(open_override(word))
        if read is None or not read.is_sweep_override():
            continue
        key, _, value = word.partition("=")
        text = as_text(key, value) if kind_of(key) in (Kind.text, Kind.either) else None
        way_out = f"; if it is one text, write {shlex.quote(text)}" if text else ""
        problems.append(
            f"{key} must be one value without -m, got '{shown_value(key, value)}'; add -m to run each (in Python: "
            f"experiments.sweep){way_out}"
        )
    return problems


def _of_launchers(overrides: Sequence[str]) -> list[str]:
    """Settings of a launcher that is not ours, where no other was chosen."""
    key = "hydra.launcher.n_jobs"
    given = [word.partition("=")[2] for word in overrides if word.lstrip("+").startswith(f"{key}=")]
    if not given or any(word.startswith("hydra/launcher=") for word in overrides):
        return []
    spelt = f"sweep.n_jobs={given[-1]}"
    way_out = shlex.quote(spelt) if parsed(spelt) else "sweep.n_jobs=1"
    return [f"{key} must be left to other launchers, got '{given[-1]}'; write {way_out}"]


def _values(read: Override) -> list[Any]:
    """What an override sets: one value, or each value of a sweep, of an interval its ends."""
    value = read.value()
    if isinstance(value, IntervalSweep):
        return [value.start, value.end]
    if read.is_sweep_override():
        return list(read.sweep_iterator())
    return [value]


def _wrong_choices(
    loader: ConfigLoaderImpl, group: str, read: Override, config_dir: str | Path | None = None
) -> list[str]:
    options = [name for name in loader.get_group_options(group) if not name.endswith("_schema")]
    return [
        wrong_choice(group, choice, options) + _own_file(group, f"{choice}.yaml", config_dir)
        for value in _values(read)
        for choice in (value if isinstance(value, list) else [value])
        if choice is not None and str(choice) not in options
    ]


def _own_file(group: str, name: str, config_dir: str | Path | None) -> str:
    """Where a choice of the user's own would be, or is, while nobody was told."""
    if config_dir is not None:
        return f"; there is no {Path(config_dir, group, name)}"
    if Path(name).name != name:
        return ""
    folders: list[Path] = []
    with contextlib.suppress(OSError):  # one that cannot be read
        folders = sorted(Path().iterdir())
    for folder in folders:
        with contextlib.suppress(OSError, ValueError):  # the same, and a name that no file can have
            if (folder / group / name).is_file():
                return f"; {folder / group / name} is read with --config-dir {shlex.quote(str(folder))}"
    return ""


def _misfits(base: DictConfig, read: Override) -> list[str]:
    if read.type not in (OverrideType.CHANGE, OverrideType.FORCE_ADD) or read.key_or_group.startswith("hydra"):
        return []
    key = read.key_or_group
    found = []
    for value in _values(read):
        trial = base.copy()
        try:
            if read.is_force_add():
                OmegaConf.set_struct(trial, False)
            OmegaConf.update(trial, key, value, merge=True)
        except (ConfigKeyError, ConfigAttributeError):
            return [_unknown_key(base, key)]
        except OmegaConfBaseException as error:
            shown = shown_value(key, str(value))
            found.append(f"{key} must fit its type, got '{shown}': {_first_words(error)}{_spelt_to_fit(read, value)}")
    return found


def _spelt_to_fit(read: Override, value: object) -> str:
    """A text in place of what looks like a list, and a list in place of a text."""
    key, kind = read.key_or_group, kind_of(read.key_or_group)
    typed = (read.input_line or "").partition("=")[2]
    if kind is Kind.text and isinstance(value, list | dict) and not read.is_sweep_override():
        spelt = as_text(key, typed)
    elif kind is Kind.texts and isinstance(value, str):
        spelt = as_list(key, value)
    else:
        spelt = None
    return f"; write {shlex.quote(spelt)}" if spelt else ""


def _unknown_key(base: DictConfig, key: str) -> str:
    values = OmegaConf.to_container(base)
    assert isinstance(values, dict)
    known = {path for path, _ in flatten({str(name): value for name, value in values.items()})}
    known |= {path.rsplit(".", depth)[0] for path in known for depth in (1, 2)} | {*GROUPS}
    if key.removeprefix("data.") in {field.name for field in fields(TableData)}:
        return f"{key} must be a key of the config, got one of data=table; add data=table"
    if key == "cluster.deploy_mode":  # as spark-submit calls it
        return f"{key} must be said by the command, got a key; `experiments submit …` has the driver in the cluster"
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

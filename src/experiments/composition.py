"""Composing with Hydra outside of a run, listing what can be chosen, and saying what was wrong with an override."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, OverrideType
from hydra.core.singleton import Singleton
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from experiments.config import config_folder, flatten, open_override, register_schemas
from experiments.errors import ConfigError, suggest, wrong_choice


def compose(overrides: Sequence[str] = (), config_dir: str | Path | None = None) -> DictConfig:
    """The composed, unresolved-but-resolvable config, without Hydra's own node.

    Raises:
        ConfigError: with every override that does not fit.
    """
    words = [open_override(word) for word in overrides]
    try:
        with _hydra(config_dir):
            return _resolved(words)
    except (HydraException, OmegaConfBaseException) as cause:
        raise explain(cause, overrides, config_dir) from cause


@contextlib.contextmanager
def _hydra(config_dir: str | Path | None) -> Iterator[ConfigLoaderImpl]:
    """Hydra initialised on our configs and the user's folder; its global state is put back afterwards."""
    register_schemas()
    before = Singleton.get_state()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_folder()), job_name="experiments", version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            assert isinstance(loader, ConfigLoaderImpl)
            if config_dir is not None:
                schemas = SearchPathQuery(provider="schema", path=None)  # Hydra wants them last
                loader.config_search_path.prepend("command-line", f"file://{Path(config_dir).resolve()}", schemas)
                loader.repository.initialize_sources(loader.config_search_path)
            yield loader
    finally:
        Singleton.set_state(before)


def _resolved(words: Sequence[str]) -> DictConfig:
    composed = hydra_compose("config", overrides=list(words), return_hydra_config=True)
    HydraConfig.instance().set_config(composed)
    OmegaConf.set_readonly(composed, False)
    with open_dict(composed):
        del composed["hydra"]
    OmegaConf.resolve(composed)
    return composed


def explain(cause: Exception, overrides: Sequence[str], config_dir: str | Path | None = None) -> ConfigError:
    """Every override that is wrong, each alone against a composition of the valid choices, else the cause's words."""
    try:
        with _hydra(config_dir) as loader:
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
    base = _resolved(chosen)
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


def choices(group: str, config_dir: str | Path | None = None) -> dict[str, str]:
    """What a group offers: name to the comment that describes its file, from our configs and the user's folder."""
    folders = [config_folder(), *([Path(config_dir)] if config_dir else [])]
    files = [path for folder in folders for path in sorted((folder / group).rglob("*.yaml"))]
    return {path.stem: _first_comment(path) for path in files}


def _first_comment(path: Path) -> str:
    with open(path, encoding="utf-8") as lines:
        written = (line.strip() for line in lines)
        first = next((line for line in written if line and not line.startswith("# @")), "")
    return first.removeprefix("#").strip() if first.startswith("#") else ""

"""Hydra on our configs, outside of a run."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.singleton import Singleton
from omegaconf import DictConfig, OmegaConf, open_dict

from experiments.config.choices import config_folder
from experiments.config.schema import Config, TableData, register_schemas
from experiments.config.values import flatten
from experiments.config.words import as_typed
from experiments.errors import ConfigError, override, suggest

TRUSTED = "EXPERIMENTS_ALLOWED_PACKAGES"
# Packages that a file may name too. Read here, before Hydra sets variables that a file asks for (`hydra.job.env_set`).
NAMED_BY_ENVIRONMENT = [name.strip() for name in os.environ.get(TRUSTED, "").split(",") if name.strip()]
_PACKAGES = "allowed_packages"
_HYDRA = threading.RLock()


@contextlib.contextmanager
def hydra_on(config_dir: str | Path | None) -> Iterator[ConfigLoaderImpl]:
    """Hydra initialised on our configs and the user's folder; its global state, of which there is one for all threads,
    is put back afterwards."""
    with _HYDRA:
        yield from _alone(config_dir)


def _alone(config_dir: str | Path | None) -> Iterator[ConfigLoaderImpl]:
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


def resolved(words: Sequence[str]) -> DictConfig:
    """What the words compose to within `hydra_on`, without Hydra's own node, interpolations resolved."""
    composed = hydra_compose("config", overrides=list(words), return_hydra_config=True)
    HydraConfig.instance().set_config(composed)
    strip_hydra(composed)
    OmegaConf.resolve(composed)
    return composed


def strip_hydra(composed: DictConfig) -> None:
    """Take Hydra's own node out of what it composed."""
    OmegaConf.set_readonly(composed, False)
    with open_dict(composed):
        del composed["hydra"]


def from_composed(composed: DictConfig, words: Sequence[str]) -> Config:
    """The typed config out of what Hydra composed. Interpolations are resolved.

    Args:
        words: that were typed; not what Hydra says of them, which a file can change.

    Raises:
        ConfigError: a package that is to be trusted, and was not named by who typed them; a key that was added.
    """
    config = OmegaConf.to_object(composed)
    assert isinstance(config, Config)
    if added := list(_added(composed, config)):  # by a `+`; OmegaConf drops them
        raise ConfigError(added)
    # One spelling of settings, which may be written nested or with dots.
    config.cluster.conf = _dotted(config.cluster.conf, _typed_below("cluster.conf.", words))
    if isinstance(config.data, TableData):
        config.data.options = _dotted(config.data.options, _typed_below("data.options.", words))
    named = [*_packages(words), *NAMED_BY_ENVIRONMENT]
    foreign = [package for package in config.allowed_packages if package not in named]
    if foreign:
        raise ConfigError(
            [
                f"allowed_packages must be named by whoever starts a run, as classes of theirs are run, got "
                f"{', '.join(foreign)} from a file; if you trust it: {override('allowed_packages', foreign)}, or "
                f"{TRUSTED}={','.join(foreign)} in the environment"
            ]
        )
    return config


def _dotted(settings: Mapping[str, Any], typed: Sequence[str]) -> dict[str, Any]:
    """Settings by their names.

    Args:
        typed: names that were typed, whose values Hydra has written nested; a file's with dots may come after them.
    """
    flat = {as_typed(key): value for key, value in flatten(settings)}
    for name in typed:
        found: Any = settings
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if found is not None and not isinstance(found, Mapping):
            flat[name] = found
    return flat


def _typed_below(group: str, words: Sequence[str]) -> list[str]:
    keys = [word.partition("=")[0].lstrip("+") for word in words]
    return [key.removeprefix(group) for key in keys if key.startswith(group)]


def _added(node: DictConfig, typed: Any, prefix: str = "") -> Iterator[str]:
    """What is wrong with keys that the typed config does not have."""
    known = [field.name for field in fields(typed)]
    for key in map(str, node):
        if key not in known:
            yield f"{prefix}{key} must be a key of the config, which `experiments --cfg job` shows{suggest(key, known)}"
        elif is_dataclass(below := getattr(typed, key)):
            yield from _added(node[key], below, f"{prefix}{key}.")


def _packages(words: Sequence[str]) -> list[str]:
    """Those that words name."""
    typed = [word for word in words if word.lstrip("+").startswith(f"{_PACKAGES}=")]
    values = [OverridesParser.create().parse_override(word.lstrip("+")).value() for word in typed]
    return [str(package) for value in values if isinstance(value, list) for package in value]

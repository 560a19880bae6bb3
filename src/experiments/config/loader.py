"""Hydra on our configs, outside of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from omegaconf import DictConfig, OmegaConf, open_dict

from experiments.config.choices import config_folder
from experiments.config.schema import Config, register_schemas


@contextlib.contextmanager
def hydra_on(config_dir: str | Path | None) -> Iterator[ConfigLoaderImpl]:
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


def from_composed(composed: DictConfig) -> Config:
    """The typed config out of what Hydra composed. Interpolations are resolved."""
    config = OmegaConf.to_object(composed)
    assert isinstance(config, Config)
    return config

import pytest

from experiments import load
from experiments.config.choices import choices
from experiments.config.loader import hydra_on
from experiments.config.words import open_override
from experiments.sweeps.plan import plan


@pytest.fixture(scope="session")
def shipped_models():
    """The config of each shipped model, by name."""
    return {name: load([f"model={name}"]) for name in choices("model")}


@pytest.fixture
def loader_and_master():
    """Hydra's loader, for as long as the test lasts, and the config of a multirun."""
    from hydra.types import RunMode

    with hydra_on(None) as loader:
        yield loader, loader.load_configuration("config", [], RunMode.MULTIRUN)


@pytest.fixture
def planned(loader_and_master):
    """A function from a sweep's words to their plan."""
    return lambda *words: plan(*loader_and_master, [open_override(word) for word in words])

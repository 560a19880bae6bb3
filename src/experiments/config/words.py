"""Command-line words: as Hydra wants them, and as a run is named after them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from experiments.config.quoting import readable
from experiments.config.schema import Config
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


def run_name(config: Config, words: Sequence[str]) -> str:
    """The model and what was overridden in it, as in `ridge regParam=0.1`."""
    changed = [word for word in (word.lstrip("+") for word in words) if word.startswith("model.")]
    return redact_text(" ".join([config.model.name, *(word.removeprefix("model.estimator.") for word in changed)]))

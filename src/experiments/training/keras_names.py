"""What Keras offers, by its source: names and arguments are checked in milliseconds, where importing Keras, and with it
TensorFlow, takes seconds.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from pathlib import Path

# What every layer, or every optimizer, takes beside its own arguments.
_OF_ALL = {
    "layers": {"name", "trainable", "dtype", "autocast", "activity_regularizer"},
    "optimizers": {
        *("name", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "ema_momentum"),
        *("ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps"),
    },
}
# Bases, what runs code that a file holds, and what is made of the data here.
_LEFT_OUT = {
    *("Layer", "Wrapper", "InputLayer", "InputSpec", "Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer"),
    *("FlaxLayer", "NNXLayer", "Optimizer", "LossScaleOptimizer"),
}


def is_installed() -> bool:
    """Whether Keras and TensorFlow are. Neither is imported."""
    return importlib.util.find_spec("keras") is not None and importlib.util.find_spec("tensorflow") is not None


@functools.cache
def offered(kind: str) -> dict[str, str]:
    """Names that Keras offers, to the modules that define them.

    Args:
        kind: layers (classes), optimizers (classes) or losses (functions).
    """
    folder = _folder()
    listed = next(path for path in (folder / kind, folder / "api" / kind) if path.is_dir()) / "__init__.py"
    found = {}
    for node in ast.parse(listed.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = alias.asname or alias.name
                if name[0].isupper() == (kind != "losses") and name not in _LEFT_OUT:
                    found[name] = node.module
    return {name: module for name, module in found.items() if name not in ("get", "serialize", "deserialize")}


@functools.cache
def arguments(kind: str, name: str) -> frozenset[str] | None:
    """Arguments that a class takes, or None where that cannot be read from its own source."""
    path = _folder().parent.joinpath(*offered(kind)[name].split(".")).with_suffix(".py")
    if not path.is_file():
        return None
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    own = {argument.arg for argument in (*method.args.args, *method.args.kwonlyargs)} - {"self"}
                    return frozenset(own | (_OF_ALL[kind] if method.args.kwarg else set()))
    return None


def _folder() -> Path:
    found = importlib.util.find_spec("keras")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent

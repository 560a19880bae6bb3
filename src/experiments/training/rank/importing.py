"""TensorFlow and Keras, imported without what they look for and do not need here."""

from __future__ import annotations

import os
import sys

# Keras tries for these: for wrappers and galleries that are not used, and with 1.5 s of the 4 s that it takes.
_UNUSED = ("sklearn", "matplotlib", "pandas")


def import_keras() -> None:
    """Import both, for a process that is to train or to score; afterwards `import` finds them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    hidden = [name for name in _UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not to be found
    try:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]

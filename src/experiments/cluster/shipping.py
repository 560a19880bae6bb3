"""Has the Python workers of a cluster find this package, where it is not installed there."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from pyspark import SparkContext

_FOLDER = Path(__file__).parents[1]
_asked: WeakSet[SparkContext] = WeakSet()
_asking = threading.Lock()


def ensure_package(context: SparkContext) -> None:
    """Send the package unless the workers have it, as where a model is loaded from what was logged with it."""
    with _asking:
        if context not in _asked:
            _send_where_missing(context)
            _asked.add(context)


def add_package(archive: zipfile.ZipFile) -> None:
    """Write the modules of this package into an archive."""
    for file in sorted(_FOLDER.rglob("*.py")):
        archive.write(file, file.relative_to(_FOLDER.parent))


def _send_where_missing(context: SparkContext) -> None:
    def find(_: int) -> bool:
        # Within another function, so that it travels whole and not as a name of this package.
        import importlib.util

        return importlib.util.find_spec("experiments") is not None

    (is_there,) = context.parallelize([0], 1).map(find).collect()
    if not is_there:
        folder = Path(tempfile.mkdtemp(prefix="experiments-"))
        path = folder / "experiments.zip"
        with zipfile.ZipFile(path, "w") as archive:
            add_package(archive)
        context.addPyFile(str(path))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # executors fetch it when they come

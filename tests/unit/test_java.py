"""Which Java is taken, and what is said of one that does not do. Real files, no Java started but a shell script's."""

import shutil
import subprocess

import pytest

from experiments import ConfigError
from experiments.cluster.java import find_java


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without Java; returns a function that puts one of a given version somewhere."""
    shell = tmp_path / "shell"
    shell.mkdir()
    (shell / "sh").symlink_to(shutil.which("sh"))
    monkeypatch.setenv("PATH", str(shell))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def install(name: str, version: str):
        program = tmp_path / name / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        program.chmod(0o755)
        return program.parent.parent

    return install


def test_java_home_is_taken_first(machine, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(machine("given", "21.0.2")))
    monkeypatch.setenv("PATH", str(machine("other", "17.0.1") / "bin"), prepend=":")
    java = find_java()
    assert (java.version, java.source, java.home.name) == (21, "JAVA_HOME", "given")


def test_a_recent_java_on_path_is_taken(machine, monkeypatch):
    monkeypatch.setenv("PATH", str(machine("found", "17.0.15") / "bin"), prepend=":")
    assert (find_java().version, find_java().source) == (17, "PATH")


@pytest.mark.parametrize(("version", "major"), [("1.8.0_402", 8), ("11.0.2", 11)])
def test_too_old_a_java_home_is_named(machine, monkeypatch, version, major):
    home = machine("old", version)
    monkeypatch.setenv("JAVA_HOME", str(home))
    with pytest.raises(ConfigError, match=f"JAVA_HOME must be Java 17 or later, got version {major} in '{home}'"):
        find_java()


def test_a_java_home_without_java_is_named(machine, monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="which has no bin/java"):
        find_java()


def test_an_old_java_on_path_gives_way_to_the_packaged_runtime(machine, monkeypatch):
    monkeypatch.setenv("PATH", str(machine("old", "11.0.2") / "bin"), prepend=":")
    java = find_java()
    assert java.version == 21
    assert "version 11" in java.source


def test_the_packaged_runtime_starts_without_the_module_it_lacks(machine):
    java = find_java()
    program = java.home / "bin" / "java"
    command = [program, "--add-modules=jdk.incubator.vector", "-Dsome.name=with space", "-version"]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert asked.returncode == 0, asked.stderr
    assert '"21.' in asked.stderr

"""Settings that a session starts with, and the archive of classes that makes it start fast. No Java is started."""

from pathlib import Path

from experiments.cluster.addresses import local_cores
from experiments.cluster.java import Java, class_archive_options
from experiments.cluster.session import start_up_options


def test_a_local_master_names_its_cores_and_a_cluster_none():
    assert local_cores("local") == 1
    assert local_cores("local[3]") == 3
    assert local_cores("local[*]") >= 1
    assert local_cores("local[2,4]") == 2
    assert local_cores("spark://host:7077") is None


def test_a_collector_is_chosen_for_local_masters_unless_the_user_has():
    assert {"-XX:+UseParallelGC", "-XX:NewRatio=2"} <= {*start_up_options("local[2]", "")}
    assert "-XX:+UseParallelGC" in start_up_options("local[8]", "")
    assert not any("GC" in option for option in start_up_options("local[2]", "-XX:+UseZGC"))
    assert not any("GC" in option for option in start_up_options("spark://host:7077", ""))


def test_the_archive_of_classes_is_written_once_taken_over_when_whole_and_then_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    java = Java(tmp_path / "java", 21, "test")
    writes = class_archive_options(java)[0]
    assert writes.startswith("-XX:ArchiveClassesAtExit=")
    written = Path(writes.partition("=")[2])
    written.write_bytes(b"\0\0\0\0 unfinished: Java writes the first bytes last")
    assert class_archive_options(java)[0].startswith("-XX:ArchiveClassesAtExit=")
    written.write_bytes(b"\xf0\x0b\xab\xa8 finished")
    written.with_suffix(".1").write_bytes(b"\xf0\x0b\xab\xa8 finished")
    (reads,) = class_archive_options(java)
    archive = Path(reads.partition("=")[2])
    assert reads.startswith("-XX:SharedArchiveFile=")
    assert archive.read_bytes().endswith(b"finished")
    assert list(archive.parent.iterdir()) == [archive]


def test_another_java_has_another_archive(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    one, other = (class_archive_options(Java(tmp_path / name, 21, "test"))[0] for name in ("one", "other"))
    assert one != other


def test_without_a_place_for_the_archive_java_starts_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert class_archive_options(Java(tmp_path / "java", 21, "test")) == []

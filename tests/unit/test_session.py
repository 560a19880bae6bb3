"""Settings that a session starts with, and the archive of classes that makes it start fast. No Java is started."""

import threading
from pathlib import Path

import pytest
from pyspark import SparkConf

from experiments.cluster.addresses import local_cores
from experiments.cluster.gateway import one_download_at_a_time
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


@pytest.mark.parametrize("setting", ["spark.jars.packages", "spark.jars"])
def test_packages_are_fetched_by_one_session_at_a_time(setting, tmp_path, monkeypatch):
    """Both fill one cache, and each found half of what the other had begun."""
    monkeypatch.setenv("HOME", str(tmp_path))
    conf = SparkConf(loadDefaults=False).set(setting, "org.postgresql:postgresql:42.7.4")
    has_begun = threading.Event()

    def other():
        with one_download_at_a_time(conf):
            has_begun.set()

    with one_download_at_a_time(conf):
        thread = threading.Thread(target=other)
        thread.start()
        assert has_begun.wait(0.5) is (setting == "spark.jars")
    thread.join(10)
    assert has_begun.is_set()
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    with one_download_at_a_time(conf):
        pass

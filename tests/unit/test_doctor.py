"""What the doctor says of this machine and of the store, without Spark: real servers on loopback, a real folder."""

import os
import socket

import pytest
from mlflow.tracking import MlflowClient

from experiments import load
from experiments.doctor.command import findings_of_tracking
from experiments.doctor.findings import State
from experiments.doctor.here import findings_here, memory_of_machine
from experiments.tracking.store import open_folder
from proxy import proxied


def of(found, subject):
    """State, sentence and way out of a subject."""
    (finding,) = [each for each in found if each.subject == subject]
    return finding.state, finding.found, finding.way_out


@pytest.fixture
def free_port():
    with socket.socket() as held:  # bound, and nobody listens
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_machine_that_has_all_is_ok():
    found = list(findings_here(load(["model=ridge"])))
    assert [each.subject for each in found] == ["Java", "Python", "config", "memory"]
    assert {each.state for each in found} == {State.ok}
    assert "pyspark 4." in of(found, "Python")[1]


def test_a_java_that_is_too_old_is_named(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").write_text("")
    (tmp_path / "release").write_text('JAVA_VERSION="11.0.2"\n')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    state, said, way_out = of(findings_here(load(["model=ridge"])), "Java")
    assert state is State.failed
    assert "must be Java 17 or later, got version 11" in said
    assert way_out.startswith("set it to a newer one")


def test_more_memory_than_the_machine_has_is_refused_and_nearly_all_of_it_is_doubted():
    there = memory_of_machine()
    assert 1 << 30 < there <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for size, state in [(there * 2, State.failed), (there * 0.9, State.warning), (there * 0.5, State.ok)]:
        words = ["model=ridge", f"cluster.driver_memory={int(size) >> 20}m"]
        assert of(findings_here(load(words)), "memory")[0] is state


def test_each_problem_of_a_config_has_its_line():
    found = list(findings_here(load(["model=ridge", "data.test_fraction=2", "model.estimator.regParm=1"])))
    problems = [each for each in found if each.subject == "config"]
    assert {each.state for each in problems} == {State.failed}
    assert any("did you mean 'regParam'?" in f"{each.found} {each.way_out}" for each in problems)


def test_a_store_that_is_not_there_yet_is_not_made(tmp_path):
    found = list(findings_of_tracking(load(["model=ridge", f"tracking.folder={tmp_path}/runs"])))
    assert [(each.subject, each.state.value) for each in found] == [
        ("tracking", "ok"),
        ("registry", "ok"),
        ("artifacts", "ok"),
    ]
    assert "will be made" in found[0].found
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_there_is_asked_and_nothing_stays_in_it(tmp_path):
    open_folder(tmp_path)
    MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").create_experiment("houses", f"file://{tmp_path}/mlartifacts")
    found = list(findings_of_tracking(load(["model=ridge", f"tracking.folder={tmp_path}"])))
    assert {each.state for each in found} == {State.ok}
    assert "with 2 experiments" in of(found, "tracking")[1]
    assert [path.name for path in tmp_path.rglob("*")] == ["mlflow.db"]
    assert f"file://{tmp_path}/mlartifacts can be written" in of(found, "artifacts")[1]


def test_a_first_run_s_artifacts_are_looked_at_where_they_will_lie(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_folder(tmp_path / "runs")
    found = list(findings_of_tracking(load(["model=ridge", f"tracking.folder={tmp_path}/runs"])))
    assert f"file://{tmp_path}/runs/mlartifacts can be written" in of(found, "artifacts")[1]
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("no folder")
    found = list(findings_of_tracking(load(["model=ridge", f"tracking.folder={tmp_path}/file/runs"])))
    assert [each.subject for each in found] == ["tracking"]
    assert found[0].state is State.failed


def test_artifacts_that_cannot_be_written_are_said(tmp_path):
    open_folder(tmp_path)
    (tmp_path / "file").write_text("no folder")
    MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").create_experiment("houses", f"file://{tmp_path}/file")
    found = list(findings_of_tracking(load(["model=ridge", f"tracking.folder={tmp_path}"])))
    assert of(found, "artifacts")[0] is State.failed
    assert f"{tmp_path}/file" in of(found, "artifacts")[1]


def test_a_server_that_is_not_there_and_a_folder_of_files_are_said(free_port, tmp_path):
    state, said, way_out = of(findings_of_tracking(load([f"tracking.uri=http://127.0.0.1:{free_port}"])), "tracking")
    assert state is State.failed
    assert "must be a store that answers" in said
    assert "start it" in way_out
    state, said, way_out = of(findings_of_tracking(load([f"tracking.uri=file:{tmp_path}"])), "tracking")
    assert state is State.failed
    assert "a folder of files" in said


def test_a_server_that_refuses_is_said_with_what_a_user_can_do(free_port):
    with proxied(f"http://127.0.0.1:{free_port}", lambda method, path: 403) as uri:
        found = list(findings_of_tracking(load([f"tracking.uri={uri}"])))
    assert [each.subject for each in found] == ["tracking"]
    assert found[0].state is State.failed
    assert "403" in found[0].found
    assert "MLFLOW_TRACKING_USERNAME" in found[0].way_out

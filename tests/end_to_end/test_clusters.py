"""The same commands on Spark's own cluster: a real master and real workers on loopback."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mlflow.tracking import MlflowClient

from standalone import standalone

# Processes of a cluster start and are waited for.
pytestmark = pytest.mark.long
README = Path(__file__).parents[2] / "README.md"
HERE = ["cluster.conf.spark.driver.host=127.0.0.1", "cluster.conf.spark.driver.bindAddress=127.0.0.1"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with standalone(tmp_path_factory.mktemp("standalone")) as cluster:
        yield cluster


@pytest.fixture
def words(cluster, tmp_path):
    """That choose the cluster."""
    return ["cluster=standalone", f"cluster.master={cluster.address}", f"cluster.shared_folder={tmp_path}/nfs", *HERE]


def test_the_commands_of_readme_run_on_the_cluster(cluster, environment, command, store, tmp_path):
    lines = re.findall(r"^ {4}(.*\bhead:7077.*)$", README.read_text(), re.MULTILINE)
    worker, run, doctor = lines
    assert worker == "spark-class org.apache.spark.deploy.worker.Worker spark://head:7077"
    assert "    spark-class org.apache.spark.deploy.master.Master --host head --port 7077\n" in README.read_text()
    run, doctor = (
        shlex.split(line.replace("spark://head:7077", cluster.address).replace("/nfs/experiments", f"{tmp_path}/nfs"))
        for line in (run, doctor)
    )
    # As an administrator says it to all who use the cluster.
    (tmp_path / "spark-defaults.conf").write_text("spark.sql.shuffle.partitions 7\nspark.executor.memory 9999g\n")
    environment["SPARK_CONF_DIR"] = str(tmp_path)
    done = command(*doctor, *HERE)
    assert done.returncode == 0, done.stdout
    assert re.search(r"executors +ok +[12] executors? came", done.stdout)
    assert re.search(r"shared folder +ok ", done.stdout)
    done = command(*run, *HERE)
    assert done.returncode == 0, done.stderr
    client = MlflowClient(store)
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    assert client.get_logged_model(run.outputs.model_outputs[0].model_id).status == "READY"
    settings = Path(client.download_artifacts(run.info.run_id, "spark.yaml", str(tmp_path))).read_text()
    assert cluster.address in settings
    assert re.search(r"spark.sql.shuffle.partitions: '?7'?\n", settings)
    assert "9999g" not in settings  # which the config says otherwise


@pytest.mark.by_hand  # one of a network whose executor is killed trains there too
def test_a_sweep_of_networks_trains_on_two_executors(command, store, words, tmp_path):
    two = ["cluster.executors=2", "cluster.cores=1", "cluster.memory=700m", f"cluster.python={sys.executable}"]
    network = ["model=keras_regressor", "model.estimator.engine=tensorflow", "model.estimator.numWorkers=2"]
    done = command("experiments", "-m", *network, "model.estimator.epochs=3,4", "data=diabetes", *words, *two)
    assert done.returncode == 0, done.stderr
    found = MlflowClient(store).search_runs(["1"])
    assert [run.info.status for run in found] == ["FINISHED"] * 3


@pytest.mark.by_hand  # four minutes; test_training kills ranks and a worker of one machine
def test_a_training_whose_executor_is_killed_goes_on_from_its_checkpoint(
    cluster, start, command, store, words, wait_for
):
    two = ["cluster.executors=2", "cluster.cores=1", "cluster.memory=700m", f"cluster.python={sys.executable}"]
    network = ["model=keras_regressor", "model.estimator.engine=tensorflow", "model.estimator.numWorkers=2"]
    network += ["model.estimator.epochs=60", "data=diabetes", "registry=none"]
    kept = words[2].partition("=")[2] + "/kept"
    whole = command("experiments", *network, *words, *two)
    assert whole.returncode == 0, whole.stderr
    process = start("experiments", *network, f"model.estimator.checkpointDir={kept}", *words, *two)
    wait_for(lambda: "fit · epoch 2 of" in process.said, 200)
    below = [each for worker in cluster.workers for each in psutil.Process(worker.pid).children()]
    executors = [each for each in below if each.name() == "java"]
    assert len(executors) == 2
    executors[0].kill()
    assert process.wait(300) == 0, process.said
    assert re.search(r"executor( \d+ on 127.0.0.1)? was lost: the training starts again \(1 of 3\)", process.printed)
    client = MlflowClient(store)
    again, first = client.search_runs(["1"])
    assert again.data.metrics["rmse"] == first.data.metrics["rmse"]
    log = Path(client.download_artifacts(again.info.run_id, "rank_0.log")).read_text()
    assert "resumed after epoch" in log


BARE = """#!/bin/sh
PYTHONPATH={folder}:$PYTHONPATH exec {python} "$@"
"""
OTHER = """
import collections, sys
kind = collections.namedtuple("version", "major minor micro releaselevel serial")
sys.version_info = kind(3, 12, 1, "final", 0)
"""


def test_the_doctor_finds_what_executors_lack(command, words, tmp_path):
    """A Python without packages, and one of another version (as it says itself: no other can be had here)."""
    two = ["cluster.executors=2", "cluster.cores=1", "cluster.memory=700m"]
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    look = ["experiments", "doctor", "--json", "model=keras_tensorflow", *words, *two]
    done = command(*look, f"cluster.python={bare}/bin/python", "model.estimator.numWorkers=4")
    assert done.returncode == 1, done.stderr
    found = {each["subject"]: each for each in json.loads(done.stdout) if each["state"] == "failed"}
    assert [*found] == ["slots", "packages there"]
    assert "must be at most the tasks that run at a time, 2, got 4" in found["slots"]["found"]
    assert "numpy" in found["packages there"]["found"]
    assert "tensorflow" in found["packages there"]["found"]
    assert "cluster.python names" in found["packages there"]["way_out"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text(OTHER)
    (other / "python").write_text(BARE.format(folder=other, python=sys.executable))
    (other / "python").chmod(0o755)
    done = command(*look, f"cluster.python={other}/python")
    assert done.returncode == 1, done.stderr
    found = {each["subject"]: each for each in json.loads(done.stdout)}
    assert found["Python there"]["state"] == "failed"
    assert "3.12" in found["Python there"]["found"]
    assert "cluster.python=/path/to/python3.11" in found["Python there"]["way_out"]


def test_a_worker_that_is_killed_costs_no_run(cluster, start, store, words, wait_for):
    forest = ["model=random_forest", "data=wine", "model.estimator.numTrees=300", "model.estimator.maxDepth=12"]
    process = start("experiments", *forest, *words, "registry=none")
    wait_for(lambda: ": load " in process.said)
    killed = cluster.workers.pop()
    for each in [*psutil.Process(killed.pid).children(recursive=True), psutil.Process(killed.pid)]:
        each.send_signal(signal.SIGKILL)
    killed.wait()
    try:
        assert process.wait(300) == 0, process.said
    finally:
        cluster.add_worker(1, "1g")
    (run,) = MlflowClient(store).search_runs(["1"])
    assert run.info.status == "FINISHED"


TWICE = """
import experiments
words = ["model=ridge", "registry=none", *{words}]
try:
    experiments.run([*words, "cluster.executors=9", "cluster.cores=1", "cluster.seconds_to_start=3"])
except experiments.ExperimentError as error:
    print(error)
print("then", experiments.run([*words, "cluster.executors=2", "cluster.cores=1"]).metrics["r2"])
"""


@pytest.mark.by_hand
def test_executors_that_do_not_come_are_said_and_the_process_goes_on(command, store, words):
    done = command("python", "-c", TWICE.format(words=words))
    assert done.returncode == 0, done.stderr
    assert "cluster.seconds_to_start must be enough for 9 executors to come, got 3 and " in done.stdout
    assert "then 0." in done.stdout
    second, first = MlflowClient(store).search_runs(["1"])
    assert (first.info.status, second.info.status) == ("FAILED", "FINISHED")


@pytest.mark.by_hand
def test_a_second_application_waits_for_the_first_and_says_so(start, command, store, words, wait_for):
    """Where the first has all cores, and where each takes its own."""
    forest = ["model=random_forest", "data=wine", "registry=none", "model.estimator.numTrees=20", *words]
    first = start("experiments", *forest, "model.estimator.numTrees=2000", "model.estimator.maxDepth=12")
    wait_for(lambda: ": load " in first.said)
    impatient = command("experiments", *forest, "cluster.seconds_to_start=2")
    assert impatient.returncode == 1
    assert "got 2 and 0 that came" in impatient.stderr
    assert "has other work" in impatient.stderr
    assert first.poll() is None
    second = start("experiments", *forest, "cluster.seconds_to_start=300")
    wait_for(lambda: "0 of 1 executors" in second.said)
    assert first.wait(300) == second.wait(300) == 0, second.said
    one, two = (start("experiments", *forest, "cluster.executors=1", "cluster.cores=1") for _ in range(2))
    wait_for(lambda: ": load " in one.said and ": load " in two.said)
    assert one.wait(300) == two.wait(300) == 0, two.said
    statuses = [run.info.status for run in MlflowClient(store).search_runs(["1"])]
    assert sorted(statuses) == ["FAILED", *["FINISHED"] * 4]


def test_a_cluster_that_is_not_there_is_said_in_seconds(command, words, store):
    begun = time.monotonic()
    done = command("experiments", "model=ridge", *words, "cluster.master=spark://127.0.0.1:9")
    assert done.returncode == 2
    assert "cluster.master must be the address of a cluster that answers" in done.stderr
    assert "Connection refused" in done.stderr
    assert time.monotonic() - begun < 30
    assert MlflowClient(store).search_experiments(filter_string="name = 'houses'") == []

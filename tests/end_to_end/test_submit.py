"""Runs whose driver is in Hadoop's cluster, by the commands of docs/clusters/yarn.md; minutes each."""

import json
import re
import shlex
import signal
import sys
import textwrap
from pathlib import Path

import psutil
import pyspark
import pytest
from mlflow.tracking import MlflowClient

from hadoop import put_houses, yarn

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
on_yarn = pytest.mark.by_hand
ROOT = Path(__file__).parents[2]
ALL = (ROOT / "docs" / "clusters" / "yarn.md").read_text()
PAGE = ALL.partition("\n## The driver in the cluster\n")[2]
SECRET = "hunter2"
OWN = {
    # Taken from where they are: to copy 450 MB to HDFS and back for each application takes minutes.
    "spark.yarn.jars": f"local:{pyspark.__path__[0]}/jars/*",
    "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": "127.0.0.1",
    "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("yarn")
    with yarn(folder) as cluster:
        put_houses(cluster, folder)
        yield cluster


@pytest.fixture
def page(cluster, environment, tmp_path, server):
    """The two commands of the page, and the config of `cluster.json`, for a real server."""
    environment["HADOOP_CONF_DIR"] = str(cluster.configuration)
    environment["MLFLOW_TRACKING_URI"] = server.uri
    own = tmp_path / "my_conf" / "cluster" / "ours.yaml"
    own.parent.mkdir(parents=True)
    settings = "".join(f"  {name}: {value}\n" for name, value in OWN.items())
    own.write_text(f"defaults: [yarn]\nexecutors: 1\ncores: 1\ndriver_memory: 1g\nconf:\n{settings}")
    text = textwrap.dedent(PAGE).replace("http://head:5000", server.uri)
    pack, submit = (shlex.split(line) for line in re.findall(r"^ {4}(experiments .*)$", text, re.MULTILINE))
    return pack, submit, json.loads(re.search(r"^ {4}(\{.*\})$", text, re.MULTILINE)[1])


def with_our_python(words):
    """An archive of 221 MB that is sent and taken apart takes minutes: once is enough."""
    python = f"cluster.python={sys.executable}"
    return [python if word.startswith("cluster.environment=") else word for word in words]


@on_yarn
def test_the_page_leads_to_a_run_whose_driver_is_on_yarn(page, command, server, cluster):
    pack, submit, _ = page
    packed = command(*pack, timeout=900)
    assert packed.returncode == 0, packed.stderr
    assert re.search(r"^mlflow 3", packed.stdout, re.MULTILINE)
    done = command(*submit, timeout=900)
    assert done.returncode == 0, done.stderr
    client = MlflowClient(server.uri)
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["r2"] > 0.99
    assert run.data.params["cluster.master"] == "yarn"
    assert run.outputs.model_outputs
    assert {"spark.yaml", "run.log", "coefficients.csv"} <= {
        each.path for each in client.list_artifacts(run.info.run_id)
    }
    assert run.data.tags["experiments.application"] in done.stderr
    assert f"run         {run.info.run_id}" in done.stdout
    assert re.search(r"^registered  table 1: candidate", done.stdout, re.MULTILINE)
    left = cluster.command("-ls", "-R", "-C", "/user").split()
    assert [path for path in left if "sparkStaging/" in path] == []


@on_yarn
def test_a_run_that_fails_there_says_why_here(page, command, server):
    done = command(*with_our_python(page[1]), "data.label=cost")
    assert done.returncode == 1
    assert "error: data.label must be in the data (size, price), got 'cost'" in done.stderr
    (run,) = MlflowClient(server.uri).search_runs(["1"])
    assert run.info.status == "FAILED"
    assert run.data.tags["experiments.failure"] in done.stderr


@on_yarn
def test_a_driver_without_its_packages_is_a_failed_run(page, command, server, tmp_path):
    """As one whose archive was packed for executors: here a Python that has none."""
    bare = tmp_path / "bare"
    command(sys.executable, "-m", "venv", "--without-pip", str(bare))
    words = [word.replace(sys.executable, str(bare / "bin" / "python")) for word in with_our_python(page[1])]
    done = command(*words)
    assert done.returncode == 1
    assert f"cluster.python must have the driver's packages, got '{bare}/bin/python' without some" in done.stderr
    (run,) = MlflowClient(server.uri).search_runs(["1"])
    assert run.info.status == "FAILED"
    assert "experiments pack --driver" in run.data.tags["experiments.failure"]


@on_yarn
def test_ctrl_c_ends_it_there_and_no_command_line_has_secrets(page, start, wait_for, server, environment, cluster):
    environment |= {"OURS": SECRET, "MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": f"{SECRET}!"}
    word = "cluster.conf.spark.example.password=${oc.env:OURS}"
    process = start(*with_our_python(page[1]), word)
    client = MlflowClient(server.uri)
    wait_for(lambda: "is RUNNING" in process.said, 300)
    seen = [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]
    assert any("org.apache.spark.deploy.yarn.ApplicationMaster" in " ".join(words) for words in seen)
    assert not any(SECRET in " ".join(words) for words in seen)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    (run,) = client.search_runs(["1"])
    assert run.info.status == "KILLED"
    assert SECRET not in str(run.to_dictionary())
    config = client.download_artifacts(run.info.run_id, "config.yaml")
    assert SECRET not in Path(config).read_text()
    name = run.data.tags["experiments.application"]
    told = (Path(cluster.configuration).parent / "manager.log").read_text()
    assert re.search(f"{name} State change from .* to KILLED", told)


@on_yarn
def test_a_network_trains_with_its_driver_there(page, command, server):
    words = [word for word in with_our_python(page[1]) if word != "model=ridge"]
    network = ["model=keras_regressor", "model.estimator.engine=tensorflow", "model.estimator.numWorkers=2"]
    done = command(*words, *network, "model.estimator.epochs=3", "cluster.executors=2", "cluster.memory_overhead=1g")
    assert done.returncode == 0, done.stderr
    client = MlflowClient(server.uri)
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    assert len(client.get_metric_history(run.info.run_id, "epoch_loss")) == 3


@on_yarn
def test_a_driver_whose_container_is_killed_is_a_failed_run(page, start, wait_for, server):
    # Many fits, so that it has not ended when it is killed.
    process = start(*with_our_python(page[1]), "tuning=cross_validation", "tuning.folds=50")
    client = MlflowClient(server.uri)
    wait_for(lambda: "is RUNNING" in process.said, 300)
    masters = [
        each
        for each in psutil.process_iter(["cmdline"])
        if "org.apache.spark.deploy.yarn.ApplicationMaster" in (each.info["cmdline"] or [])
    ]
    assert masters
    for each in masters:
        each.kill()
    assert process.wait(300) == 1
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FAILED"
    assert run.data.tags["experiments.failure"] in process.said
    assert not client.search_registered_models()


@on_yarn
@pytest.mark.parametrize("label", ["price", "cost"])
def test_mlflow_s_backend_has_the_run_s_true_status(page, command, server, tmp_path, label):
    _, _, config = page
    del config["cluster.environment"]
    config |= {"cluster": "ours", "cluster.executors": 1, "cluster.python": sys.executable}
    (tmp_path / "cluster.json").write_text(json.dumps(config))
    table = {
        "data": "table",
        "data.path": "hdfs:///houses.csv",
        "data.label": label,
        "config_dir": tmp_path / "my_conf",
    }
    words = [word for key, value in {"model": "ridge", **table}.items() for word in ("-P", f"{key}={value}")]
    backend = ["-b", "spark-submit", "--backend-config", str(tmp_path / "cluster.json")]
    done = command("mlflow", "run", str(ROOT), *backend, "--experiment-name", "projects", *words)
    client = MlflowClient(server.uri)
    (run,) = client.search_runs([client.get_experiment_by_name("projects").experiment_id])
    assert run.data.tags["mlflow.project.entryPoint"] == "main"
    if label == "price":
        assert done.returncode == 0, done.stderr
        assert run.info.status == "FINISHED"
        assert run.data.metrics["r2"] > 0.99
        assert run.data.tags["mlflow.project.backend"] == "spark-submit"
    else:
        assert done.returncode == 1
        assert run.info.status == "FAILED"
        assert "got 'cost'" in run.data.tags["experiments.failure"]


def test_a_backend_s_config_of_one_machine_runs_here(command, server, environment, tmp_path):
    """With the true status of words that do not compose, too."""
    environment["MLFLOW_TRACKING_URI"] = server.uri
    (tmp_path / "cluster.json").write_text('{"cluster": "local", "cluster.master": "local[1]"}')
    backend = [
        "-b",
        "spark-submit",
        "--backend-config",
        str(tmp_path / "cluster.json"),
        "--experiment-name",
        "projects",
    ]
    done = command("mlflow", "run", str(ROOT), *backend, "-P", "model=ridge", "-P", "data=diabetes")
    assert done.returncode == 0, done.stderr
    wrong = command("mlflow", "run", str(ROOT), *backend, "-P", "model=rigde")
    assert wrong.returncode == 1
    assert "did you mean 'ridge'?" in wrong.stderr
    client = MlflowClient(server.uri)
    found = client.search_runs([client.get_experiment_by_name("projects").experiment_id])
    assert [run.info.status for run in found] == ["FAILED", "FINISHED"]

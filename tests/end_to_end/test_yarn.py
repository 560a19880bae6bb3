"""Runs on Hadoop's cluster, whose processes take long to start; the file and commands of docs/clusters/yarn.md."""

import re
import shlex
import shutil
import sys
import textwrap
from pathlib import Path

import pyspark
import pytest
from mlflow.tracking import MlflowClient

from hadoop import put_houses, yarn

# Its processes take a minute to start, and an application on it as long.
pytestmark = pytest.mark.by_hand
PAGE = (
    (Path(__file__).parents[2] / "docs" / "clusters" / "yarn.md").read_text().partition("\n## ")[0]
)  # the rest is test_submit's
SCORE = """
import experiments, pandas
loaded = experiments.load_model("models:/{model}")
print(loaded.predict(pandas.DataFrame({{"size": [100.0]}}))["prediction"][0])
"""
LOOPBACK = [f"cluster.conf.spark.driver.{name}=127.0.0.1" for name in ("host", "bindAddress")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("yarn")
    with yarn(folder) as cluster:
        put_houses(cluster, folder)
        yield cluster


@pytest.fixture
def page(cluster, environment, tmp_path):
    """The commands of the page, beside its file."""
    environment["HADOOP_CONF_DIR"] = str(cluster.configuration)
    own = tmp_path / "my_conf" / "cluster" / "ours.yaml"
    own.parent.mkdir(parents=True)
    written = textwrap.dedent(re.search(r"^ {4}defaults: .*?\n\n", PAGE, re.MULTILINE | re.DOTALL)[0])
    # Taken from where they are: to copy 450 MB to HDFS and back for each application takes minutes.
    assert "hdfs:///spark/jars/*.jar" in written
    own.write_text(written.replace("hdfs:///spark/jars/*.jar", f"local:{pyspark.__path__[0]}/jars/*"))
    commands = [shlex.split(line) for line in re.findall(r"^ {4}(experiments .*)$", PAGE, re.MULTILINE)]
    assert len(commands) == 3
    return [[word.replace("/opt/experiments/bin/python", sys.executable) for word in words] for words in commands]


def test_the_page_leads_to_a_run_on_yarn(page, cluster, command, store):
    doctor, run, _ = page
    looked = command(*doctor, *LOOPBACK)
    assert looked.returncode == 0, looked.stdout
    assert "application_" in looked.stdout
    done = command(*run, *LOOPBACK)
    assert done.returncode == 0, done.stderr
    (found,) = MlflowClient(store).search_runs(["1"])
    assert found.data.metrics["r2"] > 0.99
    (model,) = found.outputs.model_outputs
    scored = command("python", "-c", SCORE.format(model=model.model_id))
    assert float(scored.stdout) == pytest.approx(300, rel=0.02), scored.stderr
    left = cluster.command("-ls", "-R", "-C", "/user").split() + cluster.command("-ls", "-R", "-C", "/tmp").split()
    assert [path for path in left if "/part-" in path or "probe" in path or "sparkStaging/" in path] == []


def test_networks_train_on_yarn_s_machines(page, command, store):
    *_, network = page
    done = command(*network, *LOOPBACK, "model.estimator.epochs=3")
    assert done.returncode == 0, done.stderr
    (found,) = MlflowClient(store).search_runs(["1"])
    assert found.info.status == "FINISHED"


def test_an_application_that_yarn_does_not_begin_is_taken_back(page, cluster, command, store):
    _, run, _ = page
    done = command(*run, *LOOPBACK, "cluster.conf.spark.yarn.queue=small", "cluster.seconds_to_start=5")
    assert done.returncode == 1
    assert re.search(r"got 5 and an application that was ACCEPTED in the queue [\w.]*small \(", done.stderr), (
        done.stderr
    )
    assert "cluster.conf.spark.yarn.am.memory" in done.stderr
    (found,) = MlflowClient(store).search_runs(["1"])
    assert found.info.status == "FAILED"


def test_a_cluster_that_is_not_there_is_said_at_once(page, cluster, command, environment, tmp_path, store):
    _, run, _ = page
    environment["HADOOP_CONF_DIR"] = str(shutil.copytree(cluster.configuration, tmp_path / "conf"))
    site = tmp_path / "conf" / "yarn-site.xml"
    site.write_text(re.sub(r"(resourcemanager.address</name><value>127.0.0.1:)\d+", r"\g<1>1", site.read_text()))
    done = command(*run, *LOOPBACK)
    assert done.returncode == 2
    assert "got 'yarn', whose resource manager" in done.stderr
    assert "127.0.0.1:1: Connection refused" in done.stderr

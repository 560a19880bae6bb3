"""Runs on pods; the file and the commands of docs/clusters/kubernetes.md."""

import re
import shlex
import textwrap
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from kubernetes import kubernetes

# Processes of an API and of pods start.
pytestmark = pytest.mark.long
PAGE = (Path(__file__).parents[2] / "docs" / "clusters" / "kubernetes.md").read_text()
LOOPBACK = [f"cluster.conf.spark.driver.{name}=127.0.0.1" for name in ("host", "bindAddress")]


@pytest.fixture
def cluster(tmp_path_factory):
    with kubernetes(tmp_path_factory.mktemp("kubernetes")) as cluster:
        yield cluster


@pytest.fixture
def page(cluster, tmp_path):
    """The commands of the page, beside its file, as they go on this cluster."""
    own = tmp_path / "my_conf" / "cluster" / "ours.yaml"
    own.parent.mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    written = textwrap.dedent(re.search(r"^ {4}defaults: .*?\n\n", PAGE, re.MULTILINE | re.DOTALL)[0])
    for theirs, ours in {"https://api.example.com:6443": cluster.address, "/mnt": str(tmp_path / "shared")}.items():
        assert theirs in written
        written = written.replace(theirs, ours)
    own.write_text(written)
    commands = [shlex.split(line) for line in re.findall(r"^ {4}(experiments .*)$", PAGE, re.MULTILINE)]
    assert len(commands) == 2
    return commands


def test_the_page_leads_to_a_run_on_pods(page, cluster, command, store):
    doctor, run = page
    done = command(*run, *LOOPBACK, "cluster.memory=512m", "cluster.cores=1")
    assert done.returncode == 0, done.stderr
    (found,) = MlflowClient(store).search_runs(["1"])
    assert found.info.status == "FINISHED"
    assert found.outputs.model_outputs
    assert len(cluster.pods) == 2
    for pod in cluster.pods.values():
        (container,) = pod["spec"]["containers"]
        assert container["image"] == "apache/spark:4.2.1"
        assert container["resources"]["requests"]["cpu"] == "1"
        assert container["resources"]["limits"]["memory"] == "896Mi"
    looked = command(*doctor, *LOOPBACK)
    assert looked.returncode == 0, looked.stdout
    assert re.search(r"shared folder +ok", looked.stdout)


@pytest.mark.by_hand
def test_what_pods_wait_for_is_said(page, cluster, command, store):
    cluster.refuses = ("ImagePullBackOff", "Back-off pulling image apache/spark:4.2.1")
    _, run = page
    done = command(*run, *LOOPBACK, "cluster.seconds_to_start=5")
    assert done.returncode == 1
    assert "says ImagePullBackOff: Back-off pulling image apache/spark:4.2.1" in done.stderr
    assert cluster.pods
    assert cluster.left() == []
    (found,) = MlflowClient(store).search_runs(["1"])
    assert found.info.status == "FAILED"


def test_an_api_or_an_image_that_is_not_there_is_said_at_once(command, store):
    shared = ["cluster.shared_folder=/tmp"]
    done = command("experiments", "cluster=kubernetes", "cluster.master=k8s://https://127.0.0.1:1", *shared)
    assert done.returncode == 2
    assert "got 'k8s://https://127.0.0.1:1' (127.0.0.1:1: Connection refused)" in done.stderr
    done = command("experiments", "validate", "cluster=kubernetes", *shared)
    assert done.returncode == 2
    assert "cluster.conf.spark.kubernetes.container.image must name the image of the executors" in done.stderr

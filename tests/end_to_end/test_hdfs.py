"""Data and models on HDFS; the commands of docs/clusters/hdfs.md."""

import json
import re
import shlex
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from hadoop import hdfs, put_houses
from standalone import standalone

PAGE = Path(__file__).parents[2] / "docs" / "clusters" / "hdfs.md"
LOOPBACK = [f"cluster.conf.spark.driver.{name}=127.0.0.1" for name in ("host", "bindAddress")]
SCORE = """
import experiments, pandas
loaded = experiments.load_model("models:/{model}", {words})
print(loaded.predict(pandas.DataFrame({{"size": [100.0]}}))["prediction"][0])
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hdfs")
    with hdfs(folder) as files:
        put_houses(files, folder)
        yield files


@pytest.fixture
def page(files):
    """The commands of the page, as they go on this file system."""
    commands = [shlex.split(line) for line in re.findall(r"^ {4}(experiments .*)$", PAGE.read_text(), re.MULTILINE)]
    assert len(commands) == 4
    return [[word.replace("hdfs://namenode:9000", files.uri) for word in words] for words in commands]


@pytest.mark.long
def test_data_is_read_from_hdfs_by_its_uri_and_as_the_default(page, files, command, environment, store):
    by_uri, by_default, *_ = page
    done = command(*by_uri)
    assert done.returncode == 0, done.stderr
    environment["HADOOP_CONF_DIR"] = str(files.configuration)
    done = command(*by_default)
    assert done.returncode == 0, done.stderr
    one, other = MlflowClient(store).search_runs(["1"])
    assert one.data.metrics["rmse"] == other.data.metrics["rmse"]
    source = json.loads(one.inputs.dataset_inputs[0].dataset.source)
    assert source["path"] == f"{files.uri}/houses.csv"  # of the newest, whose path had no scheme
    done = command(*by_default, "data.path=here.csv")
    assert done.returncode == 1
    assert "and a file of this machine is file:///…" in done.stderr


@pytest.mark.by_hand  # test_yarn has the same of YARN's machines, test_s3 of a cluster's through S3
def test_models_of_a_cluster_pass_through_hdfs(page, files, command, environment, store, tmp_path):
    environment["HADOOP_CONF_DIR"] = str(files.configuration)
    with standalone(tmp_path) as cluster:
        *_, run, doctor = [[word.replace("spark://head:7077", cluster.address) for word in words] for words in page]
        done = command(*run, *LOOPBACK)
        assert done.returncode == 0, done.stderr
        (found,) = MlflowClient(store).search_runs(["1"])
        (model,) = found.outputs.model_outputs
        # Once more on the cluster, whose executors read the model too.
        score = SCORE.format(model=model.model_id, words=[*run[1:3], *LOOPBACK])
        scored = command("python", "-c", score)
        assert float(scored.stdout) == pytest.approx(300, rel=0.02), scored.stderr
        looked = command(*doctor, *LOOPBACK)
        assert looked.returncode == 0, looked.stdout
    assert "a row of hdfs:///houses.csv was read" in looked.stdout
    assert re.search(r"shared folder +ok", looked.stdout)
    scored = command("python", "-c", SCORE.format(model=model.model_id, words=[]))
    assert float(scored.stdout) == pytest.approx(300, rel=0.02), scored.stderr
    left = files.command("-ls", "-R", "-C", "/").split()
    assert [path for path in left if "/part-" in path or "probe" in path] == []

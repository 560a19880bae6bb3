"""Data, models and artifacts on an S3 server that knows its keys; the commands of docs/clusters/s3.md."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from s3 import BUCKET, s3
from standalone import standalone

# Processes of a cluster start, Java's classes for S3 are fetched.
pytestmark = pytest.mark.long
PAGE = Path(__file__).parents[2] / "docs" / "clusters" / "s3.md"
LOOPBACK = ["cluster.conf.spark.driver.host=127.0.0.1", "cluster.conf.spark.driver.bindAddress=127.0.0.1"]
SCORE = """
import experiments, pandas
print(experiments.load_model("models:/{model}").predict(pandas.DataFrame({{"size": [100.0]}}))["prediction"][0])
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3(tmp_path_factory.mktemp("s3")) as server:
        random = np.random.default_rng(3)
        size = random.normal(80, 20, 400)
        rows = pd.DataFrame({"size": size, "price": 3 * size + random.normal(0, 1, 400)})
        server.client().put_object(Bucket=BUCKET, Key="houses.csv", Body=rows.to_csv(index=False).encode())
        yield server


@pytest.fixture
def page(server):
    """The commands of the page, as they go on this server."""
    commands = [shlex.split(line) for line in re.findall(r"^ {4}(experiments .*)$", PAGE.read_text(), re.MULTILINE)]
    assert len(commands) == 4
    # Those for AWS itself have no address.
    for words in commands:
        words[:] = [word.replace("http://127.0.0.1:9000", server.uri) for word in words]
        if not any(server.uri in word for word in words):
            words += server.words()[1:]
    return commands


@pytest.fixture
def let_in(server, environment):
    environment.update(server.environment(), MLFLOW_S3_ENDPOINT_URL=server.uri)


def is_nowhere(secret, folder, *said):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    return not any(secret.encode() in path.read_bytes() for path in files) and not any(secret in text for text in said)


def test_data_is_read_from_s3_and_the_key_is_found_nowhere(page, server, command, store, let_in, tmp_path):
    aws, own, doctor, _ = page
    assert aws[:-1] == own[:-1]
    done = command(*own)
    assert done.returncode == 0, done.stderr
    (run,) = MlflowClient(store).search_runs(["1"])
    assert run.data.metrics["r2"] > 0.99
    assert is_nowhere(server.secret, tmp_path, done.stdout, done.stderr)
    done = command(*doctor)
    assert done.returncode == 0, done.stdout
    assert "a row of s3a://lake/houses.csv was read" in done.stdout


def test_a_wrong_key_and_a_bucket_that_is_not_there_are_said(page, server, command, environment, let_in, store):
    doctor = page[2]
    environment["AWS_SECRET_ACCESS_KEY"] = "wrong"
    done = command(*doctor)
    assert done.returncode == 1
    assert re.search(r"data +failed .*FORBIDDEN .*AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", done.stdout)
    environment["AWS_SECRET_ACCESS_KEY"] = server.secret
    done = command(*page[1], "data.path=s3a://puddle/houses.csv")
    assert done.returncode == 1
    assert "bucket does not exist" in done.stderr


def test_models_of_a_cluster_pass_through_s3(page, server, command, store, let_in, tmp_path):
    with standalone(tmp_path) as cluster:
        words = [word.replace("spark://head:7077", cluster.address) for word in page[3]]
        done = command(*words, *LOOPBACK)
        assert done.returncode == 0, done.stderr
    client = MlflowClient(store)
    (run,) = client.search_runs(["1"])
    (model,) = run.outputs.model_outputs
    assert client.get_logged_model(model.model_id).status == "READY"
    scored = command("python", "-c", SCORE.format(model=model.model_id))
    assert float(scored.stdout) == pytest.approx(300, rel=0.02), scored.stderr
    assert is_nowhere(server.secret, tmp_path, done.stdout, done.stderr)
    left = [each["Key"] for each in server.client().list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert [key for key in left if not key.endswith("/")] == ["houses.csv"]  # and the sign of an empty folder


@pytest.mark.by_hand
def test_artifacts_lie_on_s3_without_a_server_between(server, command, store, let_in):
    client = MlflowClient(store)
    client.create_experiment("houses", f"s3://{BUCKET}/artifacts")
    done = command("experiments", "model=ridge")
    assert done.returncode == 0, done.stderr
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    keys = [each["Key"] for each in server.client().list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert any(key.endswith("coefficients.csv") for key in keys)
    (model,) = run.outputs.model_outputs
    code = SCORE.format(model=model.model_id).replace(
        '"size": [100.0]', '"size": [100.0], "age": [10.0], "distance": [1000.0]'
    )
    scored = command("python", "-c", code)
    assert float(scored.stdout) == pytest.approx(3000 + 50 * 100 - 20 * 10 - 0.5 * 1000, rel=0.02), scored.stderr

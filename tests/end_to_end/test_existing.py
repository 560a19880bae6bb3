"""Runs in a Spark session that others have started."""

import pytest
from mlflow.tracking import MlflowClient

RIDGE = ["model=ridge", "data=diabetes", "registry=none"]
DRIVER = "from experiments.cli import main\n\nmain()\n"
SETTINGS = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}
NOTEBOOK = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config(map={settings}).getOrCreate()
import experiments
experiments.run({words})
print(spark.range(3).count(), "rows still counted on", spark.sparkContext.master)
"""


@pytest.fixture
def submit(command, tmp_path):
    """A function that has spark-submit run the command's words."""
    (tmp_path / "driver.py").write_text(DRIVER)
    options = [word for name, value in SETTINGS.items() for word in ("--conf", f"{name}={value}")]
    return lambda *words: command("spark-submit", "--master", "local[2]", *options, "driver.py", *words)


@pytest.mark.long
def test_what_spark_submit_gives_is_used_and_not_overruled(submit, store):
    """Two whole processes of Java and Python."""
    done = submit("cluster=existing", *RIDGE)
    assert done.returncode == 0, done.stderr
    (found,) = MlflowClient(store).search_runs(["1"])
    assert found.info.status == "FINISHED"
    done = submit(*RIDGE)
    assert done.returncode == 1
    assert (
        "cluster.master must be what spark-submit was told, 'local[2]', got 'local[*]'" in done.stdout
    )  # both are there


@pytest.mark.long
def test_the_session_of_a_notebook_is_used_and_stays(command, store):
    """Two whole processes of Java and Python."""
    done = command("python", "-c", NOTEBOOK.format(settings=SETTINGS, words=["cluster=existing", *RIDGE]))
    assert "3 rows still counted on local[1]" in done.stdout, done.stderr
    assert "is used as it is" not in done.stderr
    done = command("python", "-c", NOTEBOOK.format(settings=SETTINGS, words=RIDGE))
    assert "3 rows still counted on local[1]" in done.stdout, done.stderr
    assert "is used as it is, without the config's cluster.master" in done.stdout + done.stderr
    assert [run.info.status for run in MlflowClient(store).search_runs(["1"])] == ["FINISHED"] * 2


def test_without_a_session_it_is_said_at_once(command, store):
    done = command("experiments", "cluster=existing", *RIDGE)
    assert done.returncode == 2
    assert "cluster=existing must find a Spark session in its process, got none" in done.stderr
    done = command("experiments", "validate", "cluster=existing", "cluster.memory=4g", *RIDGE)
    assert done.returncode == 2
    assert "cluster.memory must be unset on a session that is there already, got 4g" in done.stderr

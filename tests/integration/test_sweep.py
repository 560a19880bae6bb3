"""Trials in threads: each with its own run, pool and numbers, on data that is read once and freed."""

import gc
import signal
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from hydra.core.hydra_config import HydraConfig
from mlflow.tracking import MlflowClient

from experiments import load
from experiments.config.identity import data_key, stages_key
from experiments.data.loading import load_data
from experiments.experiment import fit
from experiments.jobs import run_words
from experiments.sweeps.shared_data import SharedData

TRIALS = [round(0.5 + 0.25 * number, 2) for number in range(20)]
OF_A_TRIAL = ("experiments", "matplotlib", "omegaconf", "pandas", "py4j", "pyspark")


@pytest.fixture
def run(tmp_path):
    """A function that runs a command's words in this process and returns a client of their store."""

    def run(*words):
        before = signal.getsignal(signal.SIGTERM)
        try:
            assert run_words(["-m", *words]) == 0
        finally:
            signal.signal(signal.SIGTERM, before)
        return MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")

    return run


@pytest.fixture
def sweep(run, words):
    """A function that runs a sweep in this process and returns its client, its parent and its children."""

    def sweep(*own):
        client = run(*own, *words)
        found = client.search_runs([each.experiment_id for each in client.search_experiments()])
        (parent,) = [run for run in found if "experiments.sweep" in run.data.tags]
        return client, parent, [run for run in found if run.info.run_id != parent.info.run_id]

    return sweep


def check_trials(spark, client, children, values):
    """Each trial has its own params, metrics, coefficients, model and pool: those of a fit of its own."""
    by_value = {float(run.data.params["model.estimator.regParam"]): run for run in children}
    assert sorted(by_value) == values
    pools = spark.sparkContext._jsc.sc().getAllPools()
    names = {pools.apply(index).name() for index in range(pools.size())}
    assert names >= {run.info.run_id for run in children}
    config = load(["model=ridge", "data=diabetes"])
    with load_data(spark, config.data, config.model.task, config.seed) as dataset, ExitStack() as keeping:
        test = dataset.test.toPandas()
        for value, run in by_value.items():
            config.model.estimator["regParam"] = value
            fitted, _ = fit(config, dataset, keeping)
            expected = fitted.stages[-1]
            learnt = pd.read_csv(client.download_artifacts(run.info.run_id, "coefficients.csv"))
            assert learnt["coefficient"].tolist()[:-1] == pytest.approx(expected.coefficients.toArray().tolist())
            predicted = test[dataset.features].to_numpy() @ expected.coefficients.toArray() + expected.intercept
            error = float(((test[dataset.label] - predicted) ** 2).mean() ** 0.5)
            assert run.data.metrics["rmse"] == pytest.approx(error)
            assert spark.sparkContext.statusTracker().getJobIdsForGroup(run.info.run_id)


@pytest.mark.parametrize("trials", [5, pytest.param(16, marks=pytest.mark.by_hand)])
@pytest.mark.long
def test_trials_on_8_threads_have_their_own_params_metrics_models_and_pools(spark, sweep, trials):
    """With 16 by hand, as each trial logs a model, and is then fitted once more here."""
    values = TRIALS[:trials]
    swept = f"model.estimator.regParam={','.join(map(str, values))}"
    client, _, children = sweep(
        "model=ridge", "data=diabetes", swept, "sweep.n_jobs=8", "sweep.models=all", "sweep.judged_by=test"
    )
    assert len(children) == trials
    check_trials(spark, client, children, values)
    for run in children:
        (model,) = run.outputs.model_outputs
        assert client.get_logged_model(model.model_id).source_run_id == run.info.run_id


def alive():
    """How many objects there are of each type of ours, Spark's, OmegaConf's, pandas' and Matplotlib's."""
    gc.collect()
    types = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    return Counter({name: count for name, count in types.items() if name.startswith(OF_A_TRIAL)})


@pytest.mark.by_hand
def test_trials_keep_nothing_but_what_is_recorded(spark, run, words):
    """Objects are counted, as the memory of a process with threads and its own allocator grows by chance as well."""
    before = kept(spark)
    settings = ("model=ridge", "data=diabetes", "sweep.n_jobs=4", "sweep.models=none")
    run(*settings, f"model.estimator.regParam={','.join(map(str, TRIALS[:4]))}", *words)
    of_4 = alive()
    client = run(*settings, f"model.estimator.regParam={','.join(map(str, TRIALS[4:]))}", *words)
    children = trials_of(client)
    assert sorted(float(run.data.params["model.estimator.regParam"]) for run in children) == TRIALS
    assert {run.info.status for run in children} == {"FINISHED"}
    # MLflow keeps each run's artifact repository, which is of none of these types.
    left = {name: count for name, count in (alive() - of_4).items() if count >= len(TRIALS[4:])}
    assert not left
    assert not kept(spark) - before


def test_trials_share_one_reading_of_their_data_and_free_it(spark, sweep, tmp_path):
    path = tmp_path / "rows.csv"
    rows = pd.DataFrame({"x": range(200_000)})
    rows.assign(y=rows["x"] * 3 % 1001, z=rows["x"] % 97).to_csv(path, index=False)
    before_it = kept(spark)
    file_system = spark._jvm.org.apache.hadoop.fs.FileSystem
    before = read_bytes(file_system)
    _, _, children = sweep(
        *("model=ridge", "data=table", f"data.path={path}", "data.label=y", "data.schema='x INT, y INT, z INT'"),
        *("model.estimator.regParam=0.1,0.2,0.3,0.4,0.5,0.6", "sweep.models=none"),
    )
    assert len(children) == 6
    read = read_bytes(file_system) - before
    assert path.stat().st_size <= read < 1.5 * path.stat().st_size
    assert not kept(spark) - before_it


@pytest.mark.long
def test_a_search_finds_the_number_of_clusters_and_goes_on_with_its_study(spark, run, words):
    """Long, as a search needs trials to learn from."""
    looked_for = ("model=kmeans", "data=blobs", "data.rows=300", "model.estimator.k=int(interval(2,12))")
    client = run(*looked_for, "sweep=tpe", "sweep.trials=4", "sweep.n_jobs=1", *words)
    first = trials_of(client)
    assert len(first) == 4
    client = run(*looked_for, "sweep=tpe", "sweep.trials=9", "sweep.n_jobs=2", *words)
    children = trials_of(client)
    assert {run.info.run_id for run in first} < {run.info.run_id for run in children}
    assert len(children) == 9
    assert len({run.data.params["model.estimator.k"] for run in children}) == 9  # none twice, over both commands
    (best,) = [run for run in children if run.outputs.model_outputs and run.data.params["model.estimator.k"] == "3"]
    assert client.get_model_version_by_alias("blobs", "candidate").run_id == best.info.run_id
    assert best.data.metrics["silhouette"] == max(run.data.metrics["silhouette"] for run in children)
    log = Path(client.download_artifacts(best.info.run_id, "run.log")).read_text()
    assert [line.split()[2] for line in log.splitlines()] == ["start", "load", "fit", "evaluate", "log"]


@pytest.mark.long
def test_a_sweep_shows_what_matters_and_what_is_traded_for_what(spark, sweep):
    client, parent, children = sweep(
        *("model=elastic_net", "data=diabetes", "sweep=random", "sweep.trials=10", "sweep.models=none"),
        *("model.estimator.regParam=tag(log,interval(0.01,100))", "model.estimator.elasticNetParam=interval(0,1)"),
        "sweep.objectives=[rmse,seconds_fit]",
    )
    assert len(children) == 10
    shares = pd.read_csv(client.download_artifacts(parent.info.run_id, "parameter_importance.csv"))
    assert shares["importance"].sum() == pytest.approx(1)
    assert shares["parameter"][0] == "model.estimator.regParam"
    judged = pd.read_csv(client.download_artifacts(parent.info.run_id, "objectives.csv"))
    seconds = sorted(run.data.metrics["seconds_fit"] for run in children)
    assert sorted(judged["seconds_fit"]) == pytest.approx(seconds)
    assert parent.data.metrics["validation_rmse"] == pytest.approx(judged["validation_rmse"].min())
    kept = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert kept >= {"parameter_importance.png", "objectives.png"}


def test_stages_that_trials_begin_with_are_fitted_once(spark):
    words = ["model=linear_svc", "data=breast_cancer", "model.estimator.maxIter=5"]
    configs = [load([*words, f"model.estimator.regParam={value}"]) for value in (1, 2)]
    other = load([*words, "model.stages.scaler.withMean=false"])
    shared = SharedData({data_key(configs[0]): 3}, {stages_key(configs[0])})
    before, prepared = kept(spark), []

    def prepare(config, *given):
        prepared.append(shared.prepared(config, *given))
        return prepared[-1]

    with ExitStack() as stack:
        for config in (*configs, other):
            dataset = stack.enter_context(shared.use(spark, config))
            fitted, made = fit(config, dataset, stack, partial(prepare, config))
            alone, expected = fit(config, dataset, stack)
            assert fitted.stages[-1].coefficients == alone.stages[-1].coefficients
            assert made.rows.columns == expected.rows.columns
            assert [type(stage) for stage in fitted.stages] == [type(stage) for stage in alone.stages]
    assert prepared[0] is prepared[1]
    assert prepared[2] is None
    shared.close()
    assert not kept(spark) - before


@pytest.mark.long
def test_what_the_infrastructure_failed_is_tried_again_and_its_failure_stays(spark, sweep, tmp_path, monkeypatch):
    (tmp_path / "flaky").mkdir()
    (tmp_path / "flaky" / "__init__.py").write_text(FLAKY)
    monkeypatch.syspath_prepend(str(tmp_path))
    _, parent, children = sweep(
        *("data=diabetes", "seed=1,2", "allowed_packages=[flaky]", "sweep.models=none", "sweep.n_jobs=1"),
        "model.stages.flaky.class=flaky.FailsOnce",
    )
    assert [run.info.status for run in reversed(children)] == ["FAILED", "FINISHED", "FINISHED"]
    assert "the network is away" in children[-1].data.tags["experiments.failure"]
    assert parent.data.metrics["trials_finished"] == 2


FLAKY = """
from pyspark.ml import Transformer

class FailsOnce(Transformer):
    is_new = True

    def _transform(self, rows):
        if FailsOnce.is_new:
            FailsOnce.is_new = False
            raise ConnectionResetError("the network is away")
        return rows
"""


def trials_of(client):
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return [run for run in found if "experiments.sweep" not in run.data.tags]


def kept(spark):
    """Numbers of the cached RDDs."""
    return set(spark.sparkContext._jsc.getPersistentRDDs())


def read_bytes(file_system):
    return sum(each.getBytesRead() for each in file_system.getAllStatistics() if each.getScheme() == "file")


def test_shared_data_stays_while_it_is_expected_or_used(spark, table):
    rows = table(pd.DataFrame({"x": range(50), "y": range(50)}))
    # The same rows, split in two ways: Spark would keep equal rows once, and free them for both.
    config, other = load([*rows, "data.label=y"]), load([*rows, "data.label=y", "seed=1"])
    shared = SharedData({data_key(config): 2, data_key(other): 1})
    before = kept(spark)
    with shared.use(spark, config) as first:
        pass
    shared.ended(config)
    assert len(kept(spark) - before) == 1
    with shared.use(spark, config) as second, shared.use(spark, other) as third:
        assert second is first
        assert third is not first
        shared.ended(config)
        assert len(kept(spark) - before) == 2  # still in use
    assert len(kept(spark) - before) == 1
    assert third.train.count() == third.train_rows
    shared.close()
    assert not kept(spark) - before


def test_another_sweeper_launches_too(spark, run, words):
    client = run("hydra/sweeper=basic", "data=diabetes", "model.estimator.regParam=0.1,1", "registry=none", *words)
    found = client.search_runs([client.get_experiment_by_name("diabetes").experiment_id])
    assert sorted(run.info.run_name for run in found) == [
        *("ridge regParam=0.1 data=diabetes", "ridge regParam=1 data=diabetes")
    ]
    assert type(HydraConfig.instance()) is HydraConfig  # as it was before the threads

"""Trials in threads: each with its own run, pool and numbers, on data that is read once and freed."""

import signal
from contextlib import ExitStack

import pandas as pd
import pytest
from hydra.core.hydra_config import HydraConfig
from mlflow.tracking import MlflowClient

from experiments import load
from experiments.data.loading import load_data
from experiments.experiment import fit
from experiments.jobs import run_words
from experiments.sweep.shared import SharedData, data_key

TRIALS = [round(0.5 + 0.25 * number, 2) for number in range(40)]


@pytest.fixture
def sweep(spark, words, tmp_path):
    """A function that runs a command's words in this process and returns its client, its parent and its children."""

    def run(*own):
        before = signal.getsignal(signal.SIGTERM)
        try:
            assert run_words(["-m", *own, *words]) == 0
        finally:
            signal.signal(signal.SIGTERM, before)
        client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
        found = client.search_runs([each.experiment_id for each in client.search_experiments()])
        (parent,) = [run for run in found if "experiments.sweep" in run.data.tags]
        return client, parent, [run for run in found if run.info.run_id != parent.info.run_id]

    return run


def test_40_trials_on_8_threads_have_their_own_params_metrics_models_and_pools(spark, sweep):
    values = ",".join(map(str, TRIALS))
    client, _, children = sweep(
        *("model=ridge", "data=diabetes", f"model.estimator.regParam={values}", "sweep.n_jobs=8", "sweep.models=all")
    )
    assert len(children) == 40
    by_value = {float(run.data.params["model.estimator.regParam"]): run for run in children}
    assert sorted(by_value) == TRIALS
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
            (model,) = run.outputs.model_outputs
            assert client.get_logged_model(model.model_id).source_run_id == run.info.run_id
            assert spark.sparkContext.statusTracker().getJobIdsForGroup(run.info.run_id)


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


def test_another_sweeper_launches_too(spark, words, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert run_words(
            ["-m", "hydra/sweeper=basic", "data=diabetes", "model.estimator.regParam=0.1,1", "registry=none", *words]
        ) == 0  # fmt: skip
    finally:
        signal.signal(signal.SIGTERM, before)
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    found = client.search_runs([client.get_experiment_by_name("diabetes").experiment_id])
    assert sorted(run.info.run_name for run in found) == ["ridge regParam=0.1", "ridge regParam=1"]
    assert type(HydraConfig.instance()) is HydraConfig  # as it was before the threads

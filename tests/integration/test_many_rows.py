"""What is done otherwise where rows are many, with the limits brought down."""

from contextlib import ExitStack

import numpy as np
import pandas as pd
import pytest

from experiments import load
from experiments.data.loading import load_data
from experiments.evaluation.judged import score
from experiments.evaluation.metrics import evaluate
from experiments.experiment import fit


@pytest.fixture
def tables(tmp_path):
    """Words for 1,600 rows to learn from and 200 to be judged by, 40 of which are known by heart."""
    random = np.random.default_rng(7)
    rows = pd.DataFrame(random.normal(size=(1760, 2)), columns=["x", "z"])
    rows["y"] = 2 * rows["x"] + random.normal(size=len(rows))
    rows["c"] = np.where(rows["y"] > 0, "up", "down")
    rows[:1600].to_parquet(tmp_path / "train.parquet")
    rows[1560:].to_parquet(tmp_path / "test.parquet")
    return [
        *("data=table", "data.format=parquet", f"data.path={tmp_path / 'train.parquet'}"),
        *(f"data.test_path={tmp_path / 'test.parquet'}", "data.features=[x,z]"),
    ]


@pytest.mark.parametrize(
    ("words", "metric"),
    [
        (["model=ridge", "data.label=y"], "rmse"),
        (["model=logistic_regression", "data.label=c"], "accuracy"),
        (["model=kmeans", "model.estimator.k=2", "data.label=null"], "silhouette"),
        (["model=pca", "model.estimator.k=1", "data.label=null"], "explained_variance"),
    ],
)
@pytest.mark.long
def test_of_many_training_rows_some_are_judged(spark, tables, monkeypatch, words, metric):
    config = load([*tables, *words])
    with load_data(spark, config.data, config.model.task, 42) as data, ExitStack() as keeping:
        pipeline, made = fit(config, data, keeping)
        found = []
        for most in (1600, 200):
            monkeypatch.setattr("experiments.evaluation.judged.MOST_TRAINING_ROWS", most)
            with score(pipeline, made, data, config.model.task) as scored:
                found.append((evaluate(scored), scored.side(False).count(), scored.side(True).count()))
    (whole, whole_count, test_count), (some, count, same_count) = found
    assert "train_judged_share" not in whole
    assert some["train_judged_share"] == 1 / 8
    assert (whole_count, test_count, same_count) == (1600, 200, 200)
    assert 120 < count < 280
    for name, value in whole.items():
        is_same = not name.startswith("train_") or "cluster_size" in name
        if is_same or "mape" not in name:  # which a few labels near 0 decide
            assert some[name] == pytest.approx(value, rel=1e-9 if is_same else 0.25), name
    assert some[f"train_{metric}"] != whole[f"train_{metric}"]


@pytest.mark.parametrize("words", [[], ["preprocessing=auto"]])
def test_rows_are_chosen_before_stages_work_on_them(spark, tables, words):
    from pyspark.sql import functions as F

    config = load([*tables, "model=ridge", "data.label=y", *words])
    with load_data(spark, config.data, config.model.task, 42) as data, ExitStack() as keeping:
        _, made = fit(config, data, keeping)
        some = made.where(F.rand(0) < 0.5)
        plan = some._jdf.queryExecution().optimizedPlan().toString()
        assert 0 < plan.rindex("AS features") < plan.index("rand(0)")
        assert some.columns == made.rows.columns
        assert 700 < some.count() < 1060


@pytest.mark.long
def test_a_likelihood_is_of_all_training_rows(spark, tmp_path, monkeypatch):
    """It is a sum: of some rows it would be another number."""
    monkeypatch.setattr("experiments.evaluation.judged.MOST_TRAINING_ROWS", 10)
    config = load(["model=lda", "data.test_fraction=0.2"])
    with load_data(spark, config.data, config.model.task, 42) as data, ExitStack() as keeping:
        pipeline, made = fit(config, data, keeping)
        with score(pipeline, made, data, config.model.task) as scored:
            assert scored.side(False).count() == data.train_rows > 20


@pytest.mark.parametrize("most", [200, 40])
def test_rows_that_are_on_both_sides_are_counted_or_estimated(spark, tables, monkeypatch, most):
    monkeypatch.setattr("experiments.data.few.MOST_ROWS", 500)
    monkeypatch.setattr("experiments.data.checking.MOST_TEST_ROWS", most)
    monkeypatch.setattr("experiments.data.loading.MOST_BYTES", 0)
    config = load([*tables, "model=ridge", "data.label=y"])
    with load_data(spark, config.data, config.model.task, 42) as data:
        (said,) = [warning for warning in data.warnings if "known by heart" in warning]
    words = said.split()
    if most == 200:
        assert said.startswith("data.test_path has 40 of its 200 rows")
    else:
        assert said.startswith("data.test_path has about ")
        assert 15 <= int(words[3]) <= 80

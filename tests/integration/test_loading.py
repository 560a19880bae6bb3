"""Rows are split by content, checked once, and what is wrong with them is said in the config's words."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import ExperimentError, load
from experiments.data.loading import load_data
from experiments.data.options import KNOWN
from experiments.experiment import fit, run


def loaded(spark, *words, seed=42):
    config = load(list(words))
    return load_data(spark, config.data, config.model.task, seed)


@pytest.fixture
def table(tmp_path):
    """A function that writes lines to a CSV and returns the words that choose it."""

    def write(*lines):
        path = tmp_path / "my file.csv"
        path.write_text("\n".join(lines) + "\n")
        return ["data=table", f"data.path='{path}'"]

    return write


def test_a_relative_path_is_one_of_the_folder_that_python_is_in(spark, tmp_path, monkeypatch):
    """Java stays where it was started, so that another file of the same name may lie there."""
    for folder, value in (("one", 1), ("two", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows.csv").write_text("x,y\n" + f"{value},{value}\n" * 20)
        monkeypatch.chdir(tmp_path / folder)
        for path in ("rows.csv", "*.csv", "{rows,others}.csv"):
            words = ["data=table", f"data.path='{path}'", "data.label=y", "data.test_fraction=0"]
            with loaded(spark, *words) as data:
                assert {row["x"] for row in data.train.collect()} == {value}


def test_counts_split_and_columns_of_generated_houses(spark):
    with loaded(spark, "model=ridge") as data:
        assert data.features == ["size", "age", "distance"]
        assert data.train_rows + data.test_rows == 10_000
        assert data.test_rows == pytest.approx(2_000, abs=200)
        assert data.train.count() == data.train_rows
        assert data.rows.columns == ["size", "age", "distance", "price", "_held_out"]


def test_the_split_is_the_same_when_rows_are_repartitioned_and_another_with_another_seed(spark, table):
    words = [*table("x,y", *(f"{i},{i % 7}" for i in range(500))), "data.label=y"]
    seen = []
    for extra, seed in (([], 1), (["data.partitions=4"], 1), ([], 2)):
        with loaded(spark, *words, *extra, seed=seed) as data:
            seen.append((sorted(row.x for row in data.test.collect()), data.train_digest))
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]


def test_a_stratified_split_takes_the_same_share_of_every_class(spark):
    with loaded(spark, "model=random_forest", "data=iris", "data.stratified=true") as data:
        held_out = {row["species"]: row["count"] for row in data.test.groupBy("species").count().collect()}
    assert data.classes == 3
    assert all(abs(held_out[species] - 10) <= 1 for species in range(3))


def test_a_class_that_is_only_among_the_test_rows_is_named(spark, table, tmp_path):
    words = table("x,y", *(f"{i},{i % 2}" for i in range(20)))
    (tmp_path / "test.csv").write_text("x,y\n3,2\n")
    words += ["data.label=y", f"data.test_path={tmp_path / 'test.csv'}", "model=random_forest"]
    said = r"every class among the training rows, got none of 2"
    with pytest.raises(ExperimentError, match=said), loaded(spark, *words):
        pass


def test_without_both_classes_among_the_test_rows_there_is_no_area_under_a_curve(spark, table, tmp_path):
    from experiments.evaluation.judged import score
    from experiments.evaluation.metrics import evaluate
    from experiments.experiment import fit
    from experiments.inspection import inspect

    words = table("x,y", *(f"{i},{i % 2}" for i in range(60)))
    (tmp_path / "test.csv").write_text("x,y\n3,0\n5,0\n")
    words += ["data.label=y", f"data.test_path={tmp_path / 'test.csv'}", "model=random_forest"]
    config = load(words)
    task = config.model.task
    with (
        load_data(spark, config.data, task, 42) as data,
        ExitStack() as stack,
        score(*fit(config, data, stack), data, task) as scored,
    ):
        metrics = evaluate(scored)
        (confusion,) = [output for output in inspect(scored) if output.name == "confusion_matrix"]
    assert "auc_roc" not in metrics
    assert "train_auc_roc" in metrics
    # Both rows count, also one that is predicted to be of the class that is never true here.
    assert sum(row["rows"] for row in confusion.rows) == 2


def test_a_test_set_of_its_own(spark, table, tmp_path):
    words = table("x,y", "1,0", "2,1")
    (tmp_path / "test.csv").write_text("x,y\n3,0\n")
    with loaded(spark, *words, "data.label=y", f"data.test_path={tmp_path / 'test.csv'}") as data:
        assert (data.train_rows, data.test_rows) == (2, 1)


def test_features_by_pattern_and_all_but(spark, table):
    words = [*table("a1,a2,b,y", *(f"{i},{i},{i},{i}" for i in range(30))), "data.label=y"]
    with loaded(spark, *words, "data.features=['a*']", "data.exclude=[a2]") as data:
        assert data.features == ["a1"]


LINES = [f"{i},{i}" for i in range(30)]


@pytest.mark.parametrize(
    ("lines", "words", "said"),
    [
        (["x,y", *LINES], ["data.label=z"], "data.label must be in the data (x, y), got 'z'"),
        (["x,y", *LINES], ["data.label=y", "data.features=[w]"], "data.features must be in the data (x), got 'w'"),
        (["x,y", *LINES, ",1"], ["data.label=y"], "got none, or NaN or infinity, in: x 1"),
        (
            ["x,y", *LINES, "NaN,1", "Infinity,"],
            ["data.label=y"],
            "NaN or infinity, in: x 2, y (the label) 1",
        ),
        (["x,y", *LINES, "1,2,3"], ["data.label=y"], "data=table must be readable"),
        (["x,y", "1,1"], ["data.label=y"], "data.test_fraction must leave rows on both sides"),
        (["x,y", "1,0", "2,0"], ["data.label=y", "model=random_forest"], "two classes or more"),
        (
            ["x,y", *(f"{i},{i}.5" for i in range(30))],
            ["data.label=y", "model=random_forest"],
            "data.label must be classes",
        ),
        (
            ["x,y", *(f"{i},{7 * i % 41}" for i in range(90))],
            ["data.label=y", "model=random_forest"],
            "got 41 different numbers in the 90 rows of 'y'; choose a model whose task is regression",
        ),
        (["x,y", "1,a", "2,b"], ["data.label=y"], "data.label must be a column of numbers"),
        (["prediction,y", *LINES], ["data.label=y"], "must be columns that no model adds"),
        (
            ["x,y", *LINES, "1,", "1,NA"],
            ["data.label=y", "data.missing=keep", "data.missing_values=[NA]"],
            "`y` IS NOT NULL AND trim(`y`) NOT IN ('\"'\"'NA'\"'\"')\"'",
        ),
        (
            ["x,y", *LINES, "1,"],
            ["data.label=y", "data.missing=fill"],
            "leave those rows out: 'data.query=\"SELECT * FROM source WHERE `y` IS NOT NULL",
        ),
        (
            ["x, y", *LINES],
            ["data.label=y"],
            "names have blanks around them: data.options.ignoreLeadingWhiteSpace=true",
        ),
        (["'x','y'", *LINES], ["data.label=y"], "names have quotes around them: 'data.options.quote=\"'"),
        (["x,y", *LINES], ["data.label=y", "data.weight=' x'"], "data.weight must be in the data (x), got ' x'"),
        (["x,y", *LINES, *(f"[{i}],{i}" for i in range(25))], ["data.label=y"], '\'data.units=["[","]"]\''),
        (
            ["x,y", *LINES, *(f"[{i}],{i}" for i in range(25)), "1,"],
            ["data.label=y", "data.missing=drop", "data.numbers=[x]", "data.units=['[']"],
            'data.units=["[","]"]\'',
        ),
        (
            ["x,y", *(f"ab{i}c,1" for i in range(25)), *LINES],
            ["data.label=y", "data.numbers=[x]"],
            "data.numbers must be columns of numbers, got values such as 'ab0c' (1 row)",
        ),
    ],
)
def test_what_is_wrong_with_the_data_is_said(spark, table, lines, words, said):
    with pytest.raises(ExperimentError) as caught, loaded(spark, *table(*lines), *words):
        pass
    assert said in str(caught.value)


def test_text_among_numbers_is_named_with_the_stage_to_add(spark, table, cluster_words, tmp_path):
    words = [*table("town,size,price", *(f"{'ab'[i % 2]},{i},{i}" for i in range(50))), "data.label=price"]
    with pytest.raises(ExperimentError) as caught:
        run(load([*words, *cluster_words, f"tracking.folder={tmp_path}"]))
    assert "model.stages.features.inputCols must be numbers or vectors, got town (string)" in str(caught.value)
    assert "preprocessing=auto makes numbers" in str(caught.value)


def test_a_code_that_gives_the_class_is_named(spark, table):
    rows = [f"{i % 3},{i % 4},{i},{'yes' if i % 3 == 1 else 'no'}" for i in range(100)]
    with loaded(spark, *table("code,other,row,y", *rows), "data.label=y", "model=logistic_regression") as data:
        (said,) = [said for said in data.warnings if "alone" in said]
        assert said.startswith("data has features that alone give the label: code; ")


@pytest.mark.parametrize(("positive", "classes"), [("null", "no yes"), ("yes", "no yes"), ("no", "yes no")])
def test_the_class_that_is_told_of_is_the_second(spark, table, positive, classes):
    words = table("size,churn", *(f"{number},{'yes' if number % 3 else 'no'}" for number in range(60)))
    words += ["data.label=churn", "model=random_forest"]
    with loaded(spark, *words, f"data.positive={positive}") as data:
        assert (data.class_names, data.positive) == (classes.split(), classes.split()[1])
        rows = {row["churn"]: row["count"] for row in data.rows.groupBy("churn").count().collect()}
        assert rows == {float(data.class_names.index("yes")): 40, float(data.class_names.index("no")): 20}
    said = "data.positive must be one of two classes, got 'Yes'.*did you mean 'yes'"
    with pytest.raises(ExperimentError, match=said), loaded(spark, *words, "data.positive=Yes"):
        pass


def test_the_classes_of_a_bundled_data_set_are_told_of_by_their_names(spark):
    with loaded(spark, "model=random_forest", "data=breast_cancer", "data.positive=malignant") as data:
        assert data.class_names == ["benign", "malignant"]
        assert data.class_values == ["benign", "malignant"]


def test_small_data_is_one_partition_unless_told_otherwise(spark):
    with loaded(spark, "model=ridge") as data:
        assert data.rows.rdd.getNumPartitions() == 1
    with loaded(spark, "model=ridge", "data.partitions=3") as data:
        assert data.rows.rdd.getNumPartitions() == 3


@pytest.mark.parametrize(
    ("written", "parts"),
    [("one row group", 2), ("one large row group", 2), ("four row groups", None), ("packed", 2), ("two packed", None)],
)
@pytest.mark.long
def test_rows_that_one_task_reads_are_dealt_out_over_the_cores(spark, tmp_path, monkeypatch, written, parts):
    """Else one core alone would work in every pass over them. The rows of both sides stay what they are."""
    random = np.random.default_rng(3)
    rows = pd.DataFrame(random.normal(size=(4000, 2)), columns=["x", "y"])
    if "packed" in written:
        halves = [rows] if written == "packed" else [rows[:2000], rows[2000:]]
        for number, half in enumerate(halves):
            half.to_csv(tmp_path / f"rows-{number}.csv.gz", index=False)
        words = ["data=table", f"data.path='{tmp_path}/*.csv.gz'", "data.label=y"]
    else:
        size = {"one row group": 4000, "one large row group": 3900, "four row groups": 1000}[written]
        rows.to_parquet(tmp_path / "rows.parquet", row_group_size=size)
        words = ["data=table", "data.format=parquet", f"data.path='{tmp_path}/rows.parquet'", "data.label=y"]
    with loaded(spark, *words) as data:
        whole = (data.train_rows, data.train_digest, data.test_rows, data.test_digest)
        before = data.rows.rdd.glom().map(len).collect()
    monkeypatch.setattr("experiments.data.parts.LEAST_BYTES", 1)
    with loaded(spark, *words) as data:
        found = data.rows.rdd.glom().map(len).collect()
        assert (data.train_rows, data.train_digest, data.test_rows, data.test_digest) == whole
    assert sum(found) == sum(before) == 4000
    if parts is None:
        assert found == before
    else:
        assert len(found) == parts
        assert min(found) > 1800
    with loaded(spark, *words, "data.cache=NONE") as data:
        assert data.rows.rdd.glom().map(len).collect() == before


def test_missing_features_are_filled_or_dropped(spark, table):
    words = [*table("x,y", *LINES, ",1", "NaN,2"), "data.label=y"]
    with loaded(spark, *words, "data.missing=fill", "data.fill_value=-5") as data:
        assert data.rows.where("x = -5").count() == 2
        assert not data.warnings
    with loaded(spark, *words, "data.missing=drop") as data:
        assert data.rows.count() == 30
        (said,) = data.warnings
        assert said.startswith(
            "data.missing=drop has left out 2 of 32 rows, which lack a feature; without data.missing, "
        )


@pytest.mark.parametrize("cache", ["MEMORY_AND_DISK", "NONE"])
def test_rows_that_were_dropped_are_counted_in_the_pass_that_reads_them(spark, table, cache):
    words = [*table("x,y", *LINES, ",1", ",", "5,"), "data.label=y", "data.missing=drop", f"data.cache={cache}"]
    with loaded(spark, *words, "data.partitions=3") as data:
        assert data.train_rows + data.test_rows == 30
        assert (
            "data.missing=drop has left out 3 of 33 rows: 2 without a label, 1 that lack a feature" in data.warnings[0]
        )


def test_dropped_rows_are_all_counted_where_they_are_more_than_the_driver_looks_at(spark, tmp_path):
    rows = pd.DataFrame({"x": range(45_000), "y": range(45_000)}).astype(float)
    rows.loc[::3, "x"] = None
    rows.to_csv(tmp_path / "rows.csv", index=False)
    words = ["data=table", "model=ridge", f"data.path={tmp_path / 'rows.csv'}", "data.label=y", "data.missing=drop"]
    for cache in ("NONE", "MEMORY_AND_DISK"):
        with loaded(spark, *words, f"data.cache={cache}") as data:
            assert "data.missing=drop has left out 15,000 of 45,000 rows" in " ".join(data.warnings)


@pytest.mark.parametrize(("width", "cache"), [(1, "MEMORY_AND_DISK"), (1, "NONE"), (300, "MEMORY_AND_DISK")])
@pytest.mark.parametrize("missing", ["keep", "fill"])
def test_infinite_numbers_that_are_filled_are_said(spark, tmp_path, width, cache, missing):
    random = np.random.default_rng(1)
    rows = pd.DataFrame({f"x{at}": random.normal(size=60) for at in range(width)})
    rows["y"] = random.normal(size=60)
    rows.loc[3, "x0"], rows.loc[[4, 5], "x0"] = None, [np.inf, -np.inf]
    rows.to_parquet(tmp_path / "rows.parquet")
    words = [f"data.path={tmp_path / 'rows.parquet'}", "data.format=parquet", "data.label=y", f"data.missing={missing}"]
    words.append(f"data.cache={cache}")
    with loaded(spark, "data=table", "model=ridge", *words) as data:
        (said,) = [each for each in data.warnings if "infinite" in each]
        assert said.endswith("count as missing, as gaps do, in rows of: x0 2")
        assert data.train_rows + data.test_rows == 60


def test_the_source_is_read_once_and_not_needed_again(spark, table):
    from experiments.evaluation.judged import score
    from experiments.evaluation.metrics import evaluate
    from experiments.experiment import fit
    from experiments.inspection import inspect

    random = np.random.default_rng(1).normal(size=(300, 2))
    words = [*table("x,y", *(f"{x},{2 * x + y}" for x, y in random)), "data.label=y"]
    config = load(words)
    with load_data(spark, config.data, config.model.task, 42) as data:
        Path(config.data.path).unlink()
        with ExitStack() as stack, score(*fit(config, data, stack), data, config.model.task) as scored:
            assert 0.5 < evaluate(scored)["rmse"] < 2
            assert {output.name for output in inspect(scored)} == {"coefficients", "residuals"}


def test_the_cache_is_freed(spark):
    before = kept(spark)
    with loaded(spark, "model=kmeans", "data=iris"):
        assert list((kept(spark) - before).values()) == [1]
    assert not kept(spark) - before


def test_a_forest_s_rows_are_parted_in_two_for_its_fit(spark):
    before = kept(spark)
    config = load(["model=random_forest", "data=wine"])
    with loaded(spark, "model=random_forest", "data=wine") as dataset, ExitStack() as keeping:
        fit(config, dataset, keeping)
        assert sorted((kept(spark) - before).values()) == [1, 2]
    assert not kept(spark) - before


def test_texts_are_taken_apart_once_where_two_stages_are_fitted_on_them(spark):
    before = kept(spark)
    config = load(["model=naive_bayes"])
    with loaded(spark, "model=naive_bayes") as dataset, ExitStack() as keeping:
        fit(config, dataset, keeping)
        assert len(kept(spark) - before) == 2
    assert not kept(spark) - before


def kept(spark):
    """Partitions of each cached RDD by its number. What other tests left is not ours: ALS leaves its factors."""
    cached = spark.sparkContext._jsc.getPersistentRDDs()
    return Counter({number: cached[number].getNumPartitions() for number in cached})


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_options_that_are_known_are_spark_s(spark, kind):
    options = getattr(getattr(spark._jvm.org.apache.spark.sql.catalyst, kind), f"{kind.upper()}Options").getAllOptions()
    names = options.toSeq()
    assert {names.apply(place) for place in range(names.size())} <= {*KNOWN[kind]}

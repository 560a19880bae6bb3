"""Tables of all kinds: columns that are no features, several files, types, and what is doubtful."""

import datetime
import re
import shlex
import subprocess
import zipfile

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from experiments import ConfigError, ExperimentError, load
from experiments.config.schema import Task
from experiments.data.loading import load_data
from experiments.tracking.signature import example_of
from experiments.validation import validate

RANDOM = np.random.default_rng(3)
ROWS = 120


def loaded(spark, *words, seed=42):
    config = load(["data=table", *words])
    validate(config)
    return load_data(spark, config.data, config.model.task, seed)


@pytest.fixture
def frame():
    x = RANDOM.normal(size=(ROWS, 2)).round(3)
    return pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "y": (x.sum(axis=1) + RANDOM.normal(size=ROWS)).round(3)})


@pytest.fixture
def written(tmp_path):
    """A function that writes a frame and returns the words that read it."""

    def write(frame, name="rows.csv", **settings):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if name.endswith(".parquet"):
            frame.to_parquet(path, index=False, **settings)
        else:
            frame.to_csv(path, index=False, **settings)
        words = ["data.format=parquet"] if name.endswith(".parquet") else []
        return [f"data.path='{path if '/' not in name else path.parent}'", "data.label=y", "model=ridge", *words]

    return write


def said_of(spark, *words):
    with pytest.raises(ExperimentError) as caught, loaded(spark, *words):
        pass
    return str(caught.value)


def test_zeros_and_blanks_are_said_of_what_is_used(spark, frame, written):
    frame["zip"] = [f"{i:05d}" for i in range(ROWS)]
    frame["y"] = ["yes " if i % 2 else "no" for i in range(ROWS)]
    words = [word for word in written(frame) if word != "model=ridge"] + ["model=logistic_regression"]
    with loaded(spark, *words) as data:
        assert [line for line in data.warnings if "lose their zeros" in line]
        assert data.class_values == ["no", "yes "]
    with loaded(spark, *words, "data.missing_values=[unknown]") as data:
        said = "\n".join(data.warnings)
        assert "data.label=y has blanks around its texts, such as 'yes ', which are left out" in said
        assert data.class_values == ["no", "yes"]
    with loaded(spark, *words, "data.exclude=[zip]", "data.categories=[y]", "data.missing_values=[unknown]") as data:
        assert not [line for line in data.warnings if "zeros" in line or "blanks" in line]
        assert data.class_values == ["no", "yes "]


def test_groups_stay_together_and_the_last_rows_are_held_out(spark, frame, written):
    frame["who"] = [f"p{i % 30}" for i in range(ROWS)]
    frame["day"] = [datetime.date(2024, 1, 1) + datetime.timedelta(days=i) for i in range(ROWS)]
    words = written(frame)
    with loaded(spark, *words, "data.group=who", "data.exclude=[day]") as data:
        sides = data.rows.groupBy("who").agg(F.countDistinct("_held_out").alias("sides"))
        assert {row["sides"] for row in sides.collect()} == {1}
        assert 5 < data.test_rows < 60
        assert data.features == ["x1", "x2"]
    with loaded(spark, *words, "data.time=day", "data.exclude=[who]", "data.test_fraction=0.25") as data:
        assert data.test_rows == 30
        assert data.train.agg(F.max("day")).first()[0] < data.test.agg(F.min("day")).first()[0]
    with pytest.raises(ConfigError, match=r"tuning must be train_validation where data\.time is set"):
        validate(
            load(
                [
                    "data=table",
                    *words,
                    "data.time=day",
                    "tuning=cross_validation",
                    "tuning.grid.model.estimator.regParam=[1,2]",
                ]
            )
        )


def test_weights_reach_the_fit_and_the_metrics_and_balance_weighs_classes(spark, frame, written):
    from contextlib import ExitStack

    from sklearn.linear_model import LogisticRegression

    from experiments.experiment import fit

    frame["k"] = np.where(frame["x1"] + RANDOM.normal(size=ROWS) > 1, "rare", "often")
    words = [*written(frame.drop(columns="y")), "data.label=k", "model=logistic_regression"]
    words += ["data.balance=classes", "model.estimator.regParam=0", "data.test_fraction=0"]
    config = load(["data=table", *words])
    with loaded(spark, *words) as data, ExitStack() as stack:
        model = fit(config, data, stack)[0].stages[-1]
    expected = LogisticRegression(C=1e12, class_weight="balanced", tol=1e-10, max_iter=1000)
    expected.fit(frame[["x1", "x2"]], frame["k"] == "rare")
    np.testing.assert_allclose(model.coefficients.toArray(), expected.coef_[0], rtol=1e-3)
    assert model.intercept == pytest.approx(expected.intercept_[0], rel=1e-3)


def test_weights_that_nobody_hears_of_are_refused(spark, frame, written):
    frame["w"] = 1.0
    words = written(frame)
    with pytest.raises(ConfigError, match="takes no weights, got 'w'"):
        validate(load(["data=table", *words, "data.weight=w", "model=als"]))
    frame.loc[0, "w"] = -1
    assert "weights of zero or more, got -1" in said_of(spark, *written(frame), "data.weight=w")
    assert "data.weight must be in the data" in said_of(spark, *words, "data.weight=weight")


@pytest.mark.parametrize("name", ["a/1.csv", "a/1.parquet"])
def test_files_are_matched_by_the_names_of_their_columns(spark, frame, written, name):
    written(frame, name)
    words = written(frame[["y", "x2", "x1"]], name.replace("1", "2"))
    with loaded(spark, *words, "data.test_fraction=0") as data:
        assert data.rows.agg(F.sum("x1")).first()[0] == pytest.approx(2 * frame["x1"].sum())
    written(frame.assign(z=1.5), name.replace("1", "3"))
    said = said_of(spark, *words)
    assert "column z" in said
    assert name.rpartition(".")[2] in said
    with loaded(spark, *words, "data.options.mergeSchema=true", "data.missing=fill") as data:
        assert data.features == ["x1", "x2", "z"] or set(data.features) == {"x1", "x2", "z"}


def test_a_test_set_must_have_the_columns_that_are_used_and_rows_in_both_are_counted(spark, frame, written, tmp_path):
    words = written(frame)
    frame.iloc[:7].to_csv(tmp_path / "test.csv", index=False)
    words += [f"data.test_path={tmp_path / 'test.csv'}"]
    with loaded(spark, *words) as data:
        assert any("7 of its 7 rows among the training rows" in warning for warning in data.warnings)
    frame[["y", "x2", "x1"]].iloc[:5].assign(x1=0.5).to_csv(tmp_path / "test.csv", index=False)
    with loaded(spark, *words) as data:
        assert {row["x1"] for row in data.test.collect()} == {0.5}
        assert data.warnings == ()
    frame[["x1", "y"]].to_csv(tmp_path / "test.csv", index=False)
    assert "got none called x2" in said_of(spark, *words)
    frame.assign(more=1).to_csv(tmp_path / "test.csv", index=False)
    assert "got more besides" in said_of(spark, *words)


def test_numbers_dates_and_truths_in_text(spark, frame, written):
    frame["euro"] = [
        f"{value:,.2f} €".replace(",", "_").replace(".", ",").replace("_", ".") for value in frame["x1"] * 9e3
    ]
    frame["day"] = ["?" if i % 40 == 0 else f"{i % 28 + 1}.{i % 12 + 1}.2024" for i in range(ROWS)]
    words = written(frame.drop(columns="x1").rename(columns={"x2": "b"}), sep=";", decimal=",")
    words += ["data.options.sep=';'"]
    assert "data.date_format=d.M.yyyy" in said_of(spark, *words)
    words += [
        "data.decimal=','",
        "data.thousands=.",
        "data.units=['€']",
        "data.date_format=d.M.yyyy",
        "data.missing_values=['?']",
    ]
    with loaded(spark, *words, "data.missing=drop", "data.features=[euro,day]") as data:
        assert data.feature_types == {"euro": "double", "day": "timestamp"}
        assert data.rows.count() == ROWS - 3


def test_text_of_numbers_in_typed_files_is_asked_about(spark, frame, written):
    words = written(frame.assign(x1=frame["x1"].astype(str), code=[f"{i % 7}" for i in range(ROWS)]), "rows.parquet")
    said = said_of(spark, *words)
    assert "'x1' is numbers" in said
    assert "'data.numbers=[x1,code]'" in said
    with loaded(spark, *words, "data.numbers=[x1]", "data.categories=[code]") as data:
        assert data.feature_types == {"x1": "double", "x2": "double", "code": "string"}


def test_arrays_structs_and_large_tables_of_the_catalog(spark):
    rows = [(float(i), [float(i), 1.0], (i % 5, "a"), 2.0 * i) for i in range(40)]
    spark.createDataFrame(
        rows, "x double, v array<double>, s struct<n: int, t: string>, y double"
    ).createOrReplaceTempView("cars")
    words = ["data.table=cars", "data.label=y", "model=ridge"]
    with loaded(spark, *words) as data:
        assert data.feature_types == {"x": "double", "v": "vector", "s.n": "int", "s.t": "string"}
    with loaded(spark, *words, "data.limit=30") as data:
        assert data.train_rows + data.test_rows == 30
    assert "data.table=buses must be readable" in said_of(spark, "data.table=buses", "data.label=y", "model=ridge")


def test_what_is_doubtful_is_said(spark, frame, written):
    frame = frame.assign(number=range(ROWS), same=4, twin=frame["y"] * 2 + 1)
    with loaded(spark, *written(frame)) as data:
        said = "\n".join(data.warnings)
    assert "one value in all rows: same" in said
    assert "count the rows: number" in said
    assert "alone give the label: twin" in said
    with loaded(spark, *written(frame.drop(columns=["number", "same", "twin"]))) as data:
        assert data.warnings == ()


def test_names_twice_and_a_file_with_brackets_in_its_name(spark, frame, written):
    frame["X1"] = 1.0
    words = written(frame, "data [1].csv")
    with loaded(spark, *words) as data:
        assert any("several columns called x1" in warning for warning in data.warnings)
        assert data.features == ["x10", "x2", "X13"]


def test_letters_that_cannot_be_read_are_said_wherever_they_stand(spark, tmp_path):
    path = tmp_path / "late.csv"
    lines = [f"{i},town,{i % 7}" for i in range(40_000)]
    lines[35_000] = "1,M�laga,2"
    path.write_text("x,town,y\n" + "\n".join(lines), encoding="utf-8")
    assert "U+FFFD" in said_of(spark, f"data.path={path}", "data.label=y", "model=ridge", "preprocessing=one_hot")


def test_a_zipped_file_is_called_that(spark, tmp_path):
    with zipfile.ZipFile(tmp_path / "rows.csv", "w") as archive:
        archive.writestr("rows.csv", "x,y\n1,2\n")
    assert "packed by zip; unpack it" in said_of(
        spark, f"data.path={tmp_path / 'rows.csv'}", "data.label=y", "model=ridge"
    )


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.long
def test_few_rows_and_many_are_doubted_alike(spark, tmp_path, monkeypatch, task):
    """Few are looked at on the driver, of more some, and by Spark what is suspicious; both ways must say the same."""
    random = np.random.default_rng(4)
    frame = pd.DataFrame({"row": range(200), "same": 0.1, "x": random.normal(size=200)})
    frame["y"] = random.normal(size=200) if task == "regression" else random.choice(["a", "b"], 200)
    frame["leak"] = frame["y"] * 2 + 1 if task == "regression" else (frame["y"] == "a") * 1.0
    frame[:150].to_csv(tmp_path / "train.csv", index=False)
    frame[140:].to_csv(tmp_path / "test.csv", index=False)
    data = load(["data=table", f"data.path={tmp_path / 'train.csv'}", f"data.test_path={tmp_path / 'test.csv'}",
                 "data.label=y"]).data  # fmt: skip

    def said():
        with load_data(spark, data, Task[task], 1) as dataset:
            return dataset.warnings

    here = said()
    monkeypatch.setattr("experiments.data.few.MOST_ROWS", 120)  # more than there seemed to be
    assert said() == here
    monkeypatch.setattr("experiments.data.loading.MOST_BYTES", 0)
    assert said() == here
    monkeypatch.setattr("experiments.data.checking.MOST_TEST_ROWS", 30)
    assert "has about " in said()[-1]
    assert all(word in " ".join(here) for word in ("all rows: same;", "give the label: leak;", "has 10 of its 60 rows"))
    assert len(here) == 3


def test_what_some_rows_seem_to_show_is_asked_of_all(spark, tmp_path, monkeypatch):
    """Among some rows a rare mark has one value, or stands with a rare class by chance."""
    random = np.random.default_rng(4)
    frame = pd.DataFrame({f"x{number}": (random.random(4000) < 0.002) * 1.0 for number in range(40)})
    frame["y"] = np.where(random.random(4000) < 0.002, "b", "a")
    frame.to_csv(tmp_path / "marks.csv", index=False)
    data = load(["data=table", f"data.path={tmp_path / 'marks.csv'}", "data.label=y"]).data
    monkeypatch.setattr("experiments.data.few.MOST_ROWS", 300)
    with load_data(spark, data, Task.classification, 1) as dataset:
        assert [said for said in dataset.warnings if "data.exclude" in said] == []


def test_a_label_of_a_number_for_each_row_is_refused_at_once(spark, tmp_path, monkeypatch):
    frame = pd.DataFrame({"x": np.arange(9000) % 7, "y": np.random.default_rng(1).normal(size=9000)})
    frame.to_csv(tmp_path / "numbers.csv", index=False)
    data = load(["data=table", f"data.path={tmp_path / 'numbers.csv'}", "data.label=y"]).data
    monkeypatch.setattr("experiments.data.few.MOST_ROWS", 300)
    monkeypatch.setattr("experiments.data.checking.look", None)  # which would take long
    with pytest.raises(ExperimentError, match="y"), load_data(spark, data, Task.classification, 1):
        pass


def test_rows_that_are_in_both_sets_are_found_however_alike_they_are(spark, tmp_path, monkeypatch):
    frame = pd.DataFrame({"x": np.arange(6000) % 3, "y": np.arange(6000) % 2})
    for name in ("train", "test"):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    monkeypatch.setattr("experiments.data.few.MOST_ROWS", 300)
    monkeypatch.setattr("experiments.data.checking.MOST_TEST_ROWS", 600)
    data = load(["data=table", f"data.path={tmp_path / 'train.csv'}", f"data.test_path={tmp_path / 'test.csv'}",
                 "data.label=y"]).data  # fmt: skip
    with load_data(spark, data, Task.regression, 1) as dataset:
        about = re.search(r"about ([\d,]+) of its 6,000 rows", " ".join(dataset.warnings))
        assert int(about[1].replace(",", "")) == pytest.approx(6000, rel=0.2)


@pytest.mark.long
def test_filling_many_columns_changes_nothing_else(spark, tmp_path):
    """Filled columns are hashed as the array that they were filled in: rows must be on the sides where they were."""
    values = np.random.default_rng(6).normal(size=(60, 250)).round(3)
    frame = pd.DataFrame(values, columns=[f"x{number}" for number in range(250)])
    frame["y"], frame["whole"] = frame["x0"] * 2, range(60)
    frame.to_csv(tmp_path / "wide.csv", index=False)
    found = {}
    for missing in ("fail", "fill", "keep"):
        with loaded(spark, f"data.path={tmp_path / 'wide.csv'}", "data.label=y", f"data.missing={missing}",
                    *(["preprocessing=impute"] if missing == "keep" else [])) as dataset:  # fmt: skip
            found[missing] = (dataset.train_digest, dataset.test_digest, dataset.partitions, dataset.rows.columns)
    assert found["fail"] == found["fill"] == found["keep"]


def test_columns_that_are_written_unlike_are_read_by_one_setting(spark, tmp_path):
    """As one setting reads all, the others are made like the first; the words of the error lead there."""
    rows = [
        f"{number},5;{number}.25;{number % 28 + 1:02d}.03.2024;2024-03-{number % 28 + 1:02d};{number}"
        for number in range(1, 61)
    ]
    rows[3] = "NA;NA;01.03.2024;2024-03-01;4"
    (tmp_path / "rows.csv").write_text("fee;size;signed;left;y\n" + "\n".join(rows) + "\n")
    words = ["data=table", f"data.path={tmp_path / 'rows.csv'}", "data.label=y", "data.options.sep=';'"]
    words += ["data.missing=keep", "data.categories=[left]"]
    with pytest.raises(ExperimentError) as caught, load_data(spark, load(words).data, Task.regression, 1):
        pass
    said = str(caught.value)
    assert "(which makes size like the others, as one setting reads all)" in said
    query = re.search(r"'data.query=.*? FROM source\"'", said)[0]
    pasted = shlex.split(f"""data.decimal="','" "data.missing_values=[NA]" data.date_format=dd.MM.yyyy {query}""")
    with load_data(spark, load([*words, *pasted]).data, Task.regression, 1) as dataset:
        kinds = dict(dataset.rows.dtypes)
        assert (kinds["fee"], kinds["size"]) == ("double", "double")
        found = {row["y"]: row for row in dataset.rows.collect()}
        assert (found[7.0]["fee"], found[7.0]["size"]) == (7.5, 7.25)
        assert found[4.0]["size"] is None


def test_dates_of_two_formats_are_read_by_one_setting(spark, tmp_path):
    days = [number % 28 + 1 for number in range(60)]
    rows = [f"{day:02d}.03.2024,{day:02d}/03/2024,{number}" for number, day in enumerate(days)]
    (tmp_path / "rows.csv").write_text("signed,left,y\n" + "\n".join(rows) + "\n")
    words = [f"data.path={tmp_path / 'rows.csv'}", "data.label=y"]
    said = said_of(spark, *words)
    date_format = re.search(r"data\.date_format=\S+", said)[0]
    query = re.search(r"'data\.query=.*? FROM source\"'", said)[0]
    with loaded(spark, *words, *shlex.split(f"{date_format} {query}")) as dataset:
        assert [row["signed"] == row["left"] for row in dataset.rows.collect()] == [True] * 60
        assert dict(dataset.rows.dtypes)["left"] == "timestamp"


def test_what_spreadsheets_write_is_read_by_its_encoding(spark, tmp_path):
    """Spark alone knows six encodings, and windows-1252 is none of them."""
    rows = [f"{town},{number}" for number in range(50) for town in ("Škofja Loka", "Århus", "5 €")]
    (tmp_path / "rows.csv").write_bytes("\n".join(["town,y", *rows]).encode("cp1252"))
    words = ["data=table", f"data.path={tmp_path / 'rows.csv'}", "data.label=y", "data.options.encoding=windows-1252"]
    with load_data(spark, load(words).data, Task.regression, 1) as dataset:
        assert {row["town"] for row in dataset.rows.collect()} == {"Škofja Loka", "Århus", "5 €"}


@pytest.mark.parametrize("header", [True, False])
def test_times_are_no_moments_of_today(spark, tmp_path, header):
    """Spark puts 17:14 on the day on which it is read: the same rows would be others tomorrow."""
    rows = [f"00:{number % 60:02d}:{number % 7:02d},{number}" for number in range(200)]
    (tmp_path / "rows.csv").write_text("took,y\n" * header + "\n".join(rows) + "\n")
    took, y = ("took", "y") if header else ("_c0", "_c1")
    words = ["data=table", f"data.path={tmp_path / 'rows.csv'}", f"data.label={y}", f"data.options.header={header}"]
    with pytest.raises(ExperimentError) as caught, load_data(spark, load(words).data, Task.regression, 1):
        pass
    said = str(caught.value)
    assert f"'{took}' is times such as '00:" in said
    pasted = shlex.split(re.search(r"'data.query=.*? FROM source\"'", said)[0])
    with load_data(spark, load([*words, *pasted]).data, Task.regression, 1) as dataset:
        found = {row[y]: row[took] for row in dataset.rows.collect()}
    assert found == {float(number): 60.0 * (number % 60) + number % 7 for number in range(200)}


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_number_that_stands_for_a_missing_value_is_none(spark, frame, written, name):
    frame["z"] = np.where(np.arange(ROWS) % 4 == 0, -999, np.arange(ROWS))
    words = written(frame, name)
    assert "got none, or NaN or infinity, in: z 30" in said_of(spark, *words, "data.missing_values=[-999]")
    frame["z"] = frame["z"].astype("float32") + np.float32(0.25)
    words = written(frame, name)
    said = said_of(spark, *words, "data.missing_values=[-998.75]", "data.group=z")
    (way_out,) = shlex.split(said.partition("rows out: ")[2])
    with loaded(spark, *words, "data.missing_values=[-998.75]", "data.group=z", way_out) as data:
        assert data.train_rows + data.test_rows == ROWS - 30
    frame["z"] = (frame["z"] - np.float32(0.25)).astype(int)
    words = written(frame, name)
    with loaded(spark, *words, "data.missing_values=[-999]", "data.missing=fill", "data.fill_value=7") as data:
        assert any("(-999), which are missing in columns of numbers too, in rows of: z 30" in w for w in data.warnings)
        assert data.rows.where("z = 7").count() == 30 + 1
        (made,) = [sql for column, sql in data.given.conversions.items() if column == "z"]
        # What scores rows does the same.
        scored = spark.range(1).selectExpr("-999L AS z").selectExpr(f"{made} AS z").first()
        assert scored["z"] == 7
    with loaded(spark, *words, "data.missing_values=[unknown]") as data:
        assert data.rows.where("z = -999").count() == 30


def test_texts_that_are_numbers_to_java_alone_stay_texts(spark, frame, written):
    frame["seat"] = [f"{i % 9 + 1}{'DF'[i % 2]}" for i in range(ROWS)]
    words = written(frame)
    with loaded(spark, *words) as data:
        assert dict(data.rows.dtypes)["seat"] == "string"
        assert {row["seat"] for row in data.rows.select("seat").distinct().collect()} == {*frame["seat"]}


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_values_in_the_names_of_folders_keep_their_zeros(spark, frame, tmp_path, kind):
    frame["zip"] = [("007", "7", "0123")[i % 3] for i in range(ROWS)]
    for name, rows in frame.groupby("zip"):
        folder = tmp_path / f"zip={name}"
        folder.mkdir()
        options = {"orient": "records", "lines": True} if kind == "json" else {"index": False}
        getattr(rows.drop(columns="zip"), f"to_{kind}")(folder / f"rows.{kind}", **options)
    words = [f"data.path={tmp_path}", f"data.format={kind}", "data.label=y", "model=ridge"]
    with loaded(spark, *words) as data:
        (said,) = [line for line in data.warnings if "zip" in line]
        assert said.endswith("'data.categories=[zip]' keeps them as they are")
    with loaded(spark, *words, "data.categories=[zip]") as data:
        assert {row["zip"] for row in data.rows.select("zip").distinct().collect()} == {"007", "7", "0123"}
        assert not [line for line in data.warnings if "zip" in line]


def test_months_in_the_names_of_folders_are_numbers(spark, frame, tmp_path):
    frame["month"] = [f"{i % 12 + 1:02}" for i in range(ROWS)]
    for name, rows in frame.groupby("month"):
        (tmp_path / f"month={name}").mkdir()
        rows.drop(columns="month").to_parquet(tmp_path / f"month={name}" / "rows.parquet", index=False)
    with loaded(spark, f"data.path={tmp_path}", "data.format=parquet", "data.label=y", "model=ridge") as data:
        assert not [line for line in data.warnings if "month" in line]
        assert dict(data.rows.dtypes)["month"] == "int"


def test_names_are_those_of_the_file_where_the_test_set_is_one_of_its_own(spark, frame, written):
    frame["z"] = "a"
    words = [*written(frame, "train.csv"), f"data.test_path={written(frame, 'test.csv')[0].partition('=')[2]}"]
    with loaded(spark, *words, "data.features=[x1]", "data.categories=[z]", "data.exclude=[z]") as data:
        assert data.features == ["x1"]


def test_the_index_of_a_pandas_frame_is_no_feature(spark, frame, tmp_path):
    frame[frame["x1"] > 0].to_parquet(tmp_path / "rows.parquet")
    words = [f"data.path={tmp_path}", "data.format=parquet", "data.label=y", "model=ridge"]
    with loaded(spark, *words) as data:
        assert data.features == ["x1", "x2"]
        assert any("index of a pandas frame as __index_level_0__" in line for line in data.warnings)
    with loaded(spark, *words, "data.features=[x1,__index_level_0__]") as data:
        assert data.features == ["x1", "__index_level_0__"]


def test_classes_that_are_one_as_numbers_are_refused(spark, frame, written):
    frame["y"] = np.where(frame["y"] > 1, 2**60 + 1, np.where(frame["y"] > 0, 2**60, 5))
    words = [word for word in written(frame, "rows.parquet") if word != "model=ridge"] + ["model=logistic_regression"]
    assert "as the texts that they are: 'data.categories=[y]'" in said_of(spark, *words)
    with loaded(spark, *words, "data.categories=[y]") as data:
        assert data.class_values == sorted(map(str, [2**60 + 1, 2**60, 5]))


@pytest.mark.parametrize("key", ["group", "time"])
def test_rows_that_are_on_no_side_are_refused_and_left_out_by_what_is_said(spark, frame, written, key):
    frame["of"] = [None if i % 5 == 0 else i for i in range(ROWS)]
    words = [*written(frame), f"data.{key}=of"]
    said = said_of(spark, *words)
    assert f"in: of 24; data.{key} says which rows are held out" in said
    (way_out,) = shlex.split(said.partition("rows out: ")[2])
    with loaded(spark, *words, way_out) as data:
        assert data.train_rows + data.test_rows == ROWS - 24


def test_a_share_far_from_the_one_that_was_asked_for_is_said(spark, frame, written):
    frame["of"] = [1] * 60 + [2] * 54 + [3] * 6
    with loaded(spark, *written(frame), "data.time=of") as data:
        assert data.test_rows == 6
        assert any("data.time holds out 5% of the rows, where" in line for line in data.warnings)


@pytest.mark.parametrize("key", ["categories", "numbers"])
def test_a_column_that_is_misspelt_is_refused(spark, frame, written, key):
    assert f"data.{key} must be in the data (x1, x2), got 'x3'" in said_of(spark, *written(frame), f"data.{key}=[x3]")


def test_signs_that_are_read_alike_are_said(spark, frame, written):
    frame["p"] = [f"${i}" if i % 2 else f"€{i}" for i in range(ROWS)]
    frame["q"] = [f"{i}%" if i % 3 else f"{i}" for i in range(ROWS)]
    frame["r"] = [f"[{i}]" if i % 3 else f"≈{i}" for i in range(ROWS)]
    frame["s"] = [f"{i} km" for i in range(ROWS)]
    with loaded(spark, *written(frame), 'data.units=["$","€","%","[","]","≈",m,km]') as data:
        said = [line for line in data.warnings if "signs" in line]
        assert len(said) == 2
        assert "in 'p' with different signs, which are left out, so that they are read alike: '$' in 60" in said[0]
        assert "none in 40, '%' in 80" in said[1]


def test_names_of_columns_that_come_again_are_refused_and_taken_out_by_what_is_said(spark, frame, tmp_path):
    lines = frame.to_csv(index=False).splitlines()
    (tmp_path / "FILE").write_text("\n".join([*lines[:50], lines[0], *lines[50:]]) + "\n")
    words = ["data.label=y", "model=ridge"]
    said = said_of(spark, f"data.path={tmp_path / 'FILE'}", *words)
    assert "must have the names of its columns once, got them again in line 51 of" in said
    command = said.partition("take them out: ")[2]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    with loaded(spark, f"data.path={tmp_path / 'NEW_FILE'}", *words) as data:
        assert data.train_rows + data.test_rows == ROWS


def test_a_day_that_pandas_does_not_have_is_in_no_example(spark, frame, written):
    frame["until"] = [f"{9999 if i % 2 else 2024}-01-{i % 28 + 1:02} 10:00:00" for i in range(ROWS)]
    with loaded(spark, *written(frame)) as data:
        assert dict(data.rows.dtypes)["until"] == "timestamp"
        example = example_of(data, dict(data.feature_types))
        assert len(example) == 5
        assert {value.year for value in example["until"]} == {2024}


def test_a_row_that_sums_up_the_others_is_said_with_the_query_that_leaves_it_out(spark, frame, written):
    frame["region"] = [("north", "south")[at % 2] for at in range(ROWS)]
    frame.loc[ROWS] = [*frame[["x1", "x2", "y"]].sum(), "Total "]
    words = written(frame)
    with loaded(spark, *words) as data:
        (said,) = [each for each in data.warnings if "total" in each]
        assert "data has rows that are called a total in 'region' (1 row); if they sum up others" in said
        rows = data.train_rows + data.test_rows
    (query,) = shlex.split(said.partition("leave them out: ")[2])
    with loaded(spark, *words, query) as data:
        assert data.train_rows + data.test_rows == rows - 1 == ROWS
        assert not [each for each in data.warnings if "total" in each]
    frame["region"] = ["total" if at % 3 else "part" for at in range(ROWS + 1)]  # a category like others
    with loaded(spark, *written(frame)) as data:
        assert not [each for each in data.warnings if "total" in each]


def test_limits_are_no_gaps_and_a_total_among_numbers_is_no_row(spark, frame, written):
    frame["crp"] = [f"{at / 10:.1f}" for at in range(ROWS)]
    frame.loc[[3, 5], "crp"] = "<0.5"
    frame.loc[7, "crp"] = "n/a"
    frame["patient"] = [str(1000 + at) for at in range(ROWS)]
    frame.loc[ROWS] = [0.0, 0.0, 500.0, "", "Total"]
    words = written(frame)
    said = said_of(spark, *words)
    assert "'<0.5' in 'crp' is a limit and no gap, 'Total' in 'patient' names a row that sums up others: " in said
    query, _, does = said.partition("sums up others: ")[2].partition("' reads ")
    assert does.startswith("limits as the numbers that they name and leaves out rows that sum up others")
    (query,) = shlex.split(f"{query}'")
    with loaded(spark, *words, query, "data.missing_values=[n/a]", "data.missing=drop") as data:
        assert data.train_rows + data.test_rows == ROWS - 1
        kinds = dict(data.rows.dtypes)
        assert (kinds["crp"], kinds["patient"]) == ("double", "bigint")
        assert data.rows.where("crp = 0.5").count() == 2


def test_a_title_with_as_many_separators_as_columns_is_no_name(spark, frame, tmp_path):
    path = tmp_path / "export.csv"
    path.write_text("Ward report 2024;;\n" + frame.to_csv(index=False, sep=";"))
    said = said_of_config(f"data.path={path}", "data.label=y", "model=ridge", "'data.options.sep=;'".strip("'"))
    assert "data.path must begin with the names of the columns, got 'Ward report 2024;;' above them" in said
    assert "take that line away: tail -n +2 FILE > NEW_FILE" in said


def said_of_config(*words):
    with pytest.raises(ConfigError) as caught:
        validate(load(["data=table", *words]))
    return str(caught.value)


def test_a_class_called_as_a_gap_is_said_with_the_word_that_makes_it_one(spark, frame, written):
    frame["y"] = [("yes", "no")[at % 2] for at in range(ROWS)]
    frame.loc[:9, "y"] = "n/a"
    words = [*written(frame), "model=logistic_regression"]
    with loaded(spark, *words) as data:
        (said,) = [each for each in data.warnings if "missing values are" in each]
    assert "data.label=y has classes that are called as missing values are, 'n/a' (10 rows); if they are none: " in said
    with loaded(spark, *words, *shlex.split(said.partition("if they are none: ")[2].replace(" and ", " "))) as data:
        assert data.classes == 2
        assert data.train_rows + data.test_rows == ROWS - 10
    with loaded(spark, *words, "data.categories=[y]") as data:
        assert not [each for each in data.warnings if "missing values are" in each]


def test_numbers_of_rows_are_known_where_some_rows_are_there_twice(spark, written):
    random = np.random.default_rng(5)
    frame = pd.DataFrame({"order": 70_001 + random.permutation(2_000), "x": random.normal(size=2_000)})
    frame["age"] = random.integers(0, 2_000, 2_000) // 25
    frame["y"] = frame["x"] + random.normal(size=2_000)
    with loaded(spark, *written(pd.concat([frame, frame.sample(60, random_state=1)]))) as data:
        (said,) = [each for each in data.warnings if "count the rows" in each]
    assert "columns that count the rows: order;" in said

"""What logged models make of frames that have not been through loading: other people's, as pandas reads them."""

import datetime
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from experiments import ExperimentError, load
from experiments.experiment import run

# The session of the ranks has less to do.
pytestmark = pytest.mark.xdist_group("ranks")

CASES = Path(__file__).with_name("cases")


@pytest.fixture
def model(spark, words, tmp_path):
    """A function that fits and logs a model and loads it by pyfunc."""

    def fitted(*own):
        result = run(load([*own, "registry=none", *words]))
        mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
        return mlflow.pyfunc.load_model(result.model_uri)

    return fitted


def types_of(loaded):
    return {column.name: (str(column.type), column.required) for column in loaded.metadata.get_input_schema()}


@pytest.mark.long
def test_whole_numbers_may_be_missing_or_fractions_where_they_are_imputed(model):
    frame = pd.read_csv(CASES / "ints.csv")
    words = ("model=linear_regression", "model.estimator.regParam=0", "data=table", f"data.path={CASES / 'ints.csv'}")
    loaded = model(*words, "data.label=y", "preprocessing=impute")
    assert frame["n"].isna().sum() == 17
    assert loaded.predict(frame)["prediction"].notna().all()
    frame = frame.dropna().reset_index(drop=True).astype({"n": "int64"})
    answers = loaded.predict(frame)
    assert list(answers.columns) == ["prediction"]
    residuals = answers["prediction"] - frame["y"]
    assert residuals.abs().max() < 10
    changed = frame.head(4).copy()
    changed["n"] = [50.5, None, 52, frame["n"][3]]
    made = loaded.predict(changed)["prediction"]
    slope = (loaded.predict(frame.head(1).assign(n=frame["n"][0] + 1)) - loaded.predict(frame.head(1)))["prediction"][0]
    assert made[0] == pytest.approx(answers["prediction"][0] + slope * (50.5 - frame["n"][0]))
    assert np.isfinite(made[1])
    assert made[3] == pytest.approx(answers["prediction"][3])
    # Without a column at all it is missing in every row.
    with pytest.warns(UserWarning, match="no column is called 'n'"):
        assert np.isfinite(loaded.predict(frame[["x2"]])["prediction"]).all()
    assert len(loaded.predict(loaded.input_example)) == 5
    assert types_of(loaded) == {"n": ("Any", False), "x2": ("DataType.double", False)}


def test_without_a_stage_for_it_a_missing_value_is_said_by_its_column(model, tmp_path):
    pd.read_csv(CASES / "ints.csv").dropna().astype({"n": int}).to_csv(tmp_path / "whole.csv", index=False)
    loaded = model("model=ridge", "data=table", f"data.path={tmp_path / 'whole.csv'}", "data.label=y")
    assert types_of(loaded) == {"n": ("DataType.long", True), "x2": ("DataType.double", True)}
    frame = pd.read_csv(tmp_path / "whole.csv").head(3)
    assert loaded.predict(frame)["prediction"].notna().all()
    frame["x2"] = [1.5, None, 2.5]
    with pytest.raises(ValueError, match="'x2' must have a value in every row, got 1 of 3 without"):
        loaded.predict(frame)


@pytest.fixture
def sales(tmp_path):
    """Columns of every kind: truths, dates in two spellings, codes, texts, gaps; and the words that read them."""
    random = np.random.default_rng(1)
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=int(day)) for day in random.integers(0, 700, 200)]
    frame = pd.DataFrame(
        {
            "size": random.integers(20, 100, 200).astype(float),
            "is_new": random.random(200) > 0.3,
            "day": [day.isoformat() for day in days],
            "zip": [f"{code:03d}" for code in random.integers(1, 6, 200)],
            "town": random.choice(["Kyoto", "Nara", "Größe (m)"], 200),
        }
    )
    frame.loc[::17, "size"] = None
    frame["price"] = 10 * frame["size"].fillna(60) + 50 * frame["is_new"] + random.normal(size=200)
    frame.to_csv(tmp_path / "sales.csv", index=False)
    return frame, [
        *("data=table", f"data.path={tmp_path / 'sales.csv'}", "data.label=price", "preprocessing=auto"),
        *("data.categories=[zip]", "model=linear_regression", "model.estimator.regParam=0"),
    ]


@pytest.mark.long
def test_columns_of_every_kind_are_taken_as_pandas_reads_them(spark, model, sales, tmp_path, over_http):
    frame, words = sales
    loaded = model(*words)
    read = pd.read_csv(tmp_path / "sales.csv", dtype={"zip": str})
    answers = loaded.predict(read)
    assert (answers["prediction"] - frame["price"]).abs().median() < 10
    assert len(loaded.predict(loaded.input_example)) == 5
    # Dates as dates; rows in another order, with an index of their own.
    dated = read.assign(day=pd.to_datetime(read["day"])).sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(loaded.predict(dated), answers.loc[dated.index])
    served = over_http(loaded, read.drop(columns="price").head(5))
    assert np.allclose(served["prediction"], answers["prediction"].head(5))
    # Spark's own way takes the rows of the file as Spark reads them, texts for dates included.
    rows = spark.read.csv(str(tmp_path / "sales.csv"), header=True, inferSchema=False)
    rows = rows.selectExpr("CAST(size AS DOUBLE) AS size", "CAST(is_new AS BOOLEAN) AS is_new", "day", "zip", "town")
    scored = mlflow.spark.load_model(f"models:/{loaded.metadata.model_id}").transform(rows.coalesce(1)).toPandas()
    assert np.allclose(scored["prediction"], answers["prediction"])


@pytest.mark.long
def test_dates_in_the_data_s_own_spelling_are_not_taken_for_others(model, tmp_path):
    days = pd.date_range("2024-01-01", periods=300)
    frame = pd.DataFrame({"day": days.strftime("%d.%m.%Y"), "x": np.arange(300.0) % 7})
    frame["y"] = days.month * 10.0
    frame.to_csv(tmp_path / "days.csv", index=False)
    words = ("data=table", f"data.path={tmp_path / 'days.csv'}", "data.label=y", "data.date_format=dd.MM.yyyy")
    loaded = model(*words, "preprocessing=dates", "model=decision_tree_regressor", "data.exclude=[x]")
    asked = pd.DataFrame({"day": ["05.02.2024", "02.05.2024"]})
    assert loaded.predict(asked)["prediction"].tolist() == pytest.approx([20, 50], abs=3)
    as_times = pd.DataFrame({"day": pd.to_datetime(["2024-02-05", "2024-05-02"])})
    assert loaded.predict(as_times)["prediction"].tolist() == loaded.predict(asked)["prediction"].tolist()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(["yes", "no"], marks=pytest.mark.by_hand),
        [3, 5],
        pytest.param([True, False], marks=pytest.mark.by_hand),
    ],
)
def test_classes_are_said_in_the_label_s_own_texts_and_whole_numbers(spark, model, tmp_path, values):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.normal(size=200)})
    frame["label"] = np.where(frame["x"] > 0, *values)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    loaded = model("model=random_forest", "data=table", f"data.path={tmp_path / 'rows.csv'}", "data.label=label")
    answers = loaded.predict(pd.read_csv(tmp_path / "rows.csv"))
    truth = frame["label"] if values[0] is not True else frame["label"].astype(str).str.lower()
    assert (answers["predicted_label"] == truth).mean() > 0.95
    assert {f"probability_{value}" for value in truth} == {*answers.columns[2:]}
    scored = mlflow.spark.load_model(f"models:/{loaded.metadata.model_id}").transform(
        spark.createDataFrame(frame[["x"]])
    )
    assert scored.toPandas()["predicted_label"].tolist() == answers["predicted_label"].tolist()
    loaded_again = loaded.predict(frame[["x"]].iloc[[7]])
    assert loaded_again["predicted_label"].tolist() == [truth[7]]


@pytest.mark.long
def test_a_label_with_a_dot_is_called_so(model, tmp_path):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x.1": random.normal(size=200)})
    frame["la.bel"] = np.where(frame["x.1"] > 0, "yes", "no")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    loaded = model("model=random_forest", "data=table", f"data.path={tmp_path / 'rows.csv'}", "data.label=la.bel")
    assert (loaded.predict(frame)["predicted_la.bel"] == frame["la.bel"]).mean() > 0.95


@pytest.mark.long
def test_a_user_that_was_never_seen_has_no_answer_and_no_row_is_lost(model):
    loaded = model("model=als")
    asked = pd.DataFrame({"user": [1, 10**6, 2], "item": [1, 1, 2]}, index=["a", "b", "c"])
    names = list(types_of(loaded))
    asked.columns = names
    answers = loaded.predict(asked)
    assert list(answers.index) == ["a", "b", "c"]
    assert answers["prediction"].isna().tolist() == [False, True, False]


@pytest.mark.long
def test_an_id_far_from_others_is_no_number_of_another_unit(model, tmp_path):
    pairs = pd.DataFrame([(user, item) for user in range(1, 21) for item in range(1, 11)], columns=["user", "item"])
    pairs.assign(y=pairs["user"] % 3 + pairs["item"] % 2).to_csv(tmp_path / "rows.csv", index=False)
    loaded = model("model=als", "data=table", f"data.path={tmp_path / 'rows.csv'}", "data.label=y")
    with warnings.catch_warnings(action="error"):
        answers = loaded.predict(pd.DataFrame({"user": [1, 10**6], "item": [1, 1]}))
    assert answers["prediction"].isna().tolist() == [False, True]


def test_gaps_are_filled_as_loading_filled_them(model, tmp_path):
    frame = pd.DataFrame({"x": np.arange(100.0)})
    frame["y"] = 2 * frame["x"]
    frame.loc[50, "x"] = None
    frame.to_csv(tmp_path / "rows.csv", index=False)
    words = ("data=table", f"data.path={tmp_path / 'rows.csv'}", "data.label=y", "data.missing=fill")
    loaded = model(*words, "data.fill_value=50", "model=linear_regression", "model.estimator.regParam=0")
    given, missing, infinite = loaded.predict(pd.DataFrame({"x": [50.0, None, np.inf]}))["prediction"]
    assert given == pytest.approx(100, abs=1)
    assert missing == infinite == given


@pytest.mark.long
def test_texts_are_trimmed_and_emptied_as_loading_did(model, tmp_path):
    random = np.random.default_rng(1)
    kinds = random.choice(["Private", "State", "?"], 300)
    frame = pd.DataFrame({"kind": [f" {kind}" for kind in kinds], "x": random.normal(size=300)})
    frame["y"] = np.select([kinds == "Private", kinds == "State"], [10.0, 20.0], 50.0) + frame["x"]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    words = ("data=table", f"data.path={tmp_path / 'rows.csv'}", "data.label=y", "data.missing_values=['?']")
    loaded = model(*words, "preprocessing=auto", "model=linear_regression", "model.estimator.regParam=0")
    asked = pd.DataFrame({"kind": [" Private", "Private", " ?", None], "x": [0.0] * 4})
    assert loaded.predict(asked)["prediction"].tolist() == pytest.approx([10, 10, 50, 50], abs=0.5)


@pytest.mark.parametrize("preprocessing", ["auto", pytest.param("one_hot", marks=pytest.mark.long)])
def test_a_category_that_no_training_row_had_is_said(model, tmp_path, preprocessing):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"home.town": random.choice(["Rome", "Bonn"], 200), "x": random.normal(size=200)})
    frame.assign(y=frame["x"] + (frame["home.town"] == "Rome")).to_csv(tmp_path / "rows.csv", index=False)
    words = ("data=table", f"data.path={tmp_path / 'rows.csv'}", "data.label=y", "data.missing=keep", "model=ridge")
    loaded = model(*words, f"preprocessing={preprocessing}")
    with warnings.catch_warnings(action="error"):
        known = loaded.predict(frame.head(3))
    with pytest.warns(
        UserWarning, match=r"'home.town' has values that the fit has not seen, such as 'Roma' .*did you mean 'Rome'\?$"
    ):
        answers = loaded.predict(frame.head(3).assign(**{"home.town": ["Roma", "Rome", "Bonn"]}))
    # MLflow hands on the columns of the signature alone; `experiments.load_model` sees all.
    with pytest.raises(ValueError, match="got 'home town'; rename it"):
        loaded._model_impl.predict(frame.head(3).rename(columns={"home.town": "home town"}))
    with pytest.raises(ValueError, match="must have the column 'x', got 'X '; rename it"):
        loaded._model_impl.predict(frame.head(3).rename(columns={"x": "X "}))
    assert list(answers.columns) == list(known.columns) == ["prediction"]
    gaps = frame.head(3).assign(**{"home.town": [None, "Rome", "Bonn"], "x": [1.0, None, 2.0]})
    if preprocessing == "auto":
        with pytest.warns(UserWarning, match=r"'\(missing\)' \(1 of 3 rows\): they count as '\w+', the mo"):
            loaded.predict(gaps)
        assert loaded.predict(gaps)["prediction"].notna().all()
    else:  # of two columns with gaps the one is named for which no stage has an answer
        with pytest.raises(ValueError, match=r"no answer where a value is missing in 'x'$"):
            loaded.predict(gaps)


@pytest.mark.parametrize("rows", [200, pytest.param(25_000, marks=pytest.mark.long)])  # of these some are looked at
def test_a_number_far_from_the_fit_is_said(model, tmp_path, rows):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"size.m2": random.uniform(20, 140, rows), "cost": random.lognormal(size=rows)})
    frame["y"] = (frame["size.m2"] > 80).astype(int) + frame["cost"]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    loaded = model("data=table", f"data.path={tmp_path / 'rows.csv'}", "data.label=y", "model=ridge")
    with warnings.catch_warnings(action="error"):
        loaded.predict(frame)
        loaded.predict(frame.assign(cost=random.lognormal(size=rows)))
    said = r"'size.m2' from 2\S+ to 1[34]\S+, not 65 .*: what is of another unit"
    with pytest.warns(UserWarning, match=said.replace("65", "0.65")) as told:
        loaded.predict(frame.head(3).assign(**{"size.m2": [0.65, 1.2, 0.7]}))
    assert len(told) == 1


def test_a_column_that_is_not_there_is_said(model):
    words = ("data=table", f"data.path={CASES / 'ints.csv'}", "data.label=y", "preprocessing=impute", "model=ridge")
    loaded = model(*words)
    with pytest.warns(UserWarning, match="no column is called 'n': missing in every row"):
        loaded.predict(pd.read_csv(CASES / "ints.csv").rename(columns={"n": "N"}))


@pytest.mark.long
def test_what_is_no_truth_value_no_date_and_no_number_is_refused_and_never_made_one(model, sales, over_http):
    frame, words = sales
    loaded = model(*words)
    types = types_of(loaded)
    assert types["is_new"] == ("Any", False)
    assert types["day"] == ("Any", True)  # nothing has an answer for a missing date
    rows = frame.drop(columns="price").head(3)
    answers = loaded.predict(rows)["prediction"]
    missing = rows.assign(is_new=pd.Series([None, True, False], dtype=object))
    served = over_http(loaded, missing)
    assert np.allclose(served["prediction"], loaded.predict(missing)["prediction"])
    assert served["prediction"][0] != pytest.approx(loaded.predict(rows.assign(is_new=False))["prediction"][0])
    refused = over_http(loaded, rows.assign(day="05.07.2022"), status=400)
    assert "'day' must be spelled as at the fit" in refused["message"]
    assert "stack_trace" not in refused
    days = pd.to_datetime(rows["day"])
    for wrong, said in (
        (rows.assign(is_new="perhaps"), "'is_new' must be True or False"),
        (rows.assign(day="05.07.2022"), "'day' must be spelled as at the fit"),
        (rows.assign(day=[None, *rows["day"][1:]]), "'day' must have a value in every row"),
        (rows.assign(size=days), "'size' must be numbers, as at the fit, got datetime64.*times or bytes"),
        (rows.assign(size=[b"1", 2.0, 3.0]), "'size' must be numbers, as at the fit, got object: times or bytes"),
        (
            pd.DataFrame({"SIZE": [1.0]}),
            "the rows must have the columns day, .* zip, got none of them",
        ),
        (pd.concat([rows, rows[["zip"]]], axis=1), "the rows must have each column once, got 'zip' twice"),
        (rows.to_dict(), "the rows must be a pandas frame, got dict"),
    ):
        with pytest.raises(ValueError, match=said):
            loaded._model_impl.predict(wrong)
    texts = rows.assign(is_new=rows["is_new"].map({True: "True", False: "false"}))
    assert np.allclose(loaded.predict(texts)["prediction"], answers)
    # Times of an hour that a change of clocks left out are the next hour's, as in a file.
    loaded._model_impl.predict(
        rows.assign(day=pd.to_datetime(["2024-03-31 02:30:00", *rows["day"][1:]], format="ISO8601"))
    )
    assert np.allclose(loaded.predict(rows.assign(day=days))["prediction"], answers)


def test_a_file_such_as_that_of_the_fit_is_scored_as_pandas_reads_it(model, over_http, tmp_path):
    random = np.random.default_rng(5)
    numbers = pd.DataFrame({"cost": random.integers(100, 9_999, 300) / 4, "score": random.integers(1, 6, 300) * 1.0})
    numbers["y"] = numbers["cost"] / 100 + numbers["score"]
    numbers.loc[::7, "score"] = np.nan
    texts = numbers.assign(
        cost=[f"€{cost:,.2f}" for cost in numbers["cost"]],
        score=["-" if np.isnan(score) else f"{score:.0f}" for score in numbers["score"]],
    )
    texts.to_csv(tmp_path / "costs.csv", index=False)
    loaded = model(
        *("data=table", f"data.path={tmp_path / 'costs.csv'}", "data.label=y", "model=ridge", "preprocessing=impute"),
        *("data.units=[€]", 'data.thousands=","', 'data.missing_values=["-"]', "data.missing=keep"),
    )
    assert types_of(loaded) == {"cost": ("Any", False), "score": ("Any", False)}
    read = pd.read_csv(tmp_path / "costs.csv")
    assert read["cost"].dtype == read["score"].dtype == object
    answers = loaded.predict(numbers)["prediction"]
    assert np.allclose(loaded.predict(read)["prediction"], answers)
    assert np.corrcoef(answers, numbers["y"])[0, 1] > 0.9
    assert np.allclose(over_http(loaded, read.head(3))["prediction"], answers[:3])
    refused = over_http(loaded, read.head(3).assign(cost="$5"), status=400)
    assert "'cost' must be numbers, as at the fit, got object: texts such as '$5'" in refused["message"]


@pytest.mark.long
def test_days_begin_where_they_began_at_the_fit(spark, model, tmp_path):
    times = pd.date_range("2024-01-01", periods=400, freq="7h", tz="UTC")
    frame = pd.DataFrame({"at": times.strftime("%Y-%m-%dT%H:%M:%SZ"), "y": times.day_of_week * 10.0})
    frame.to_csv(tmp_path / "times.csv", index=False)
    words = ("data=table", f"data.path={tmp_path / 'times.csv'}", "data.label=y", "preprocessing=dates")
    before = spark.conf.get("spark.sql.session.timeZone")
    try:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        loaded = model(*words, "model=decision_tree_regressor")
        answers = loaded.predict(frame)["prediction"]
        assert (answers - frame["y"]).abs().mean() < 3
        spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
        spark.conf.set("spark.sql.ansi.enabled", "false")
        there = mlflow.pyfunc.load_model(f"models:/{loaded.metadata.model_id}")
        assert there.predict(frame)["prediction"].tolist() == answers.tolist()
        with pytest.raises(ValueError, match="'at' must be spelled as at the fit"):
            there.predict(frame.assign(at="31.12.2024"))
        assert spark.conf.get("spark.sql.session.timeZone") == "Asia/Tokyo"
        assert spark.getActiveSession().conf.get("spark.sql.session.timeZone") == "Asia/Tokyo"
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)
        spark.conf.set("spark.sql.ansi.enabled", "true")


def test_an_offset_is_asked_for_and_used(model, tmp_path):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.normal(size=400), "exposure": random.uniform(0, 2, size=400)})
    frame["y"] = random.poisson(np.exp(0.5 + 0.3 * frame["x"] + frame["exposure"]))
    frame.to_csv(tmp_path / "counts.csv", index=False)
    words = ("data=table", f"data.path={tmp_path / 'counts.csv'}", "data.label=y", "model=glm")
    own = ("model.estimator.family=poisson", "model.estimator.link=log", "+model.estimator.offsetCol=exposure")
    loaded = model(*words, *own)
    assert types_of(loaded) == {"x": ("DataType.double", True), "exposure": ("DataType.double", True)}
    answers = loaded.predict(frame)["prediction"]
    more = loaded.predict(frame.assign(exposure=frame["exposure"] + 1))["prediction"]
    assert np.allclose(more / answers, np.e)
    assert len(loaded.predict(loaded.input_example)) == 5


@pytest.mark.long
def test_labels_are_said_as_they_are_whatever_spark_would_put_in_their_place(model, tmp_path, monkeypatch):
    names = ["${env:HOME}", "see __THIS__ one", '${x} "q"', "it's \\u0024 5"]
    frame = pd.DataFrame(
        {"x": np.arange(200) % 4 + np.arange(200) / 1000, "y": [names[place % 4] for place in range(200)]}
    )
    frame.to_csv(tmp_path / "labels.csv", index=False)
    words = ("data=table", f"data.path={tmp_path / 'labels.csv'}", "data.label=y", "model=decision_tree")
    answers = model(*words, "model.estimator.maxBins=256").predict(frame[["x"]].head(4))
    assert answers["predicted_y"].tolist() == names


def test_names_in_whose_place_spark_puts_something_are_refused(model, tmp_path):
    pd.DataFrame({"a${env:HOME}": np.arange(50), "y": np.arange(50)}).to_csv(tmp_path / "names.csv", index=False)
    with pytest.raises(ExperimentError, match=r"columns without \$\{ and __THIS__ in their names"):
        model("data=table", f"data.path={tmp_path / 'names.csv'}", "data.label=y", "model=ridge")


def test_all_columns_that_do_not_suit_are_said_at_once_with_the_line_that_reads_the_file(model, tmp_path):
    random = np.random.default_rng(1)
    size, day = random.uniform(1000, 9000, 200).round(2), pd.date_range("2022-01-01", periods=200)
    frame = pd.DataFrame({"size": size, "zip": random.choice(["01067", "10115"], 200), "day": day})
    frame["y"] = (size / 100 + 20 * (frame["zip"] == "01067") + day.day).round(2)
    written = frame.assign(
        size=[f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in size],
        day=day.strftime("%d.%m.%Y"),
        y=frame["y"].astype(str).str.replace(".", ","),
    )
    written.loc[::20, "size"] = "k.A."
    path = tmp_path / "rows.csv"
    written.to_csv(path, index=False, sep=";", encoding="windows-1252")
    words = ["data.options.sep=;", "data.options.encoding=windows-1252", "data.decimal=,", "data.thousands=."]
    words += ["data.missing_values=[k.A.]", "data.categories=[zip]", "data.date_format=d.M.yyyy"]
    words += ["data.missing=keep", "preprocessing=auto", "model=linear_regression", "model.estimator.regParam=0"]
    loaded = model("data=table", f"data.path={path}", "data.label=y", *words)
    with pytest.raises(ValueError, match="as at the fit") as caught:
        loaded._model_impl.predict(pd.read_csv(path, sep=";", decimal=",", thousands="."))
    said = str(caught.value)
    assert "'size' must be numbers" in said
    assert "'zip' must be text" in said
    line = said.partition("a file as that of the fit: ")[2]
    read = eval(line.replace("'FILE'", repr(str(path))), {"pandas": pd})
    # pandas takes 21.03.2024 for a number whose thousands have dots between them.
    with pytest.raises(ValueError, match=r"'day' must be spelled as at the fit, dates as d\.M\.yyyy .*'day': 'str'"):
        loaded._model_impl.predict(read.assign(day=read["day"].str.replace(".", "").astype(int)))
    residuals = loaded._model_impl.predict(read)["prediction"] - frame["y"]
    assert residuals[~residuals.index.isin(range(0, 200, 20))].abs().max() < 3

"""One look at a table: it says what pandas says, what it writes leads to a model, and nothing hostile is obeyed."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from experiments import ConfigError, ExperimentError, load
from experiments.data.totals import is_total, totals_of, without_totals
from experiments.experiment import Alone, run
from experiments.profile.command import profile_data
from experiments.profile.doubtful import doubtful
from experiments.profile.look import profile
from experiments.profile.panels import Panel, panel_of, said_of_panel
from experiments.profile.shown import BINS, histogram, show
from experiments.profile.suited import as_yaml, suited

CASES = Path(__file__).parent / "cases"


class Unsaved(Alone):
    logs_models = False


@pytest.fixture(scope="module")
def sales():
    random = np.random.default_rng(5)
    rows = 500
    frame = pd.DataFrame({"number": range(1, rows + 1), "size": random.normal(50, 9, rows)})
    frame["town"] = random.choice(["Kyoto", "Nara", "Osaka"], rows, p=[0.5, 0.3, 0.2])
    frame["who"] = [f"customer {number}" for number in range(rows)]
    frame["cents"] = random.choice(["$1,200.50", "$3.00", "n/a"], rows, p=[0.6, 0.3, 0.1])
    frame["rooms"] = random.choice([1, 2, 3, 4], rows)
    frame["same"] = 7
    frame["price"] = 3 * frame["size"] + frame["town"].map({"Kyoto": 100, "Nara": 50, "Osaka": 0})
    frame["tax"] = frame["price"] / 10
    frame.loc[frame.index % 10 == 0, "size"] = np.nan
    return frame


def columns_of(spark, frame, words=()):
    data = load(["data=table", "data.path=unread.csv", *words]).data
    found = profile(spark.createDataFrame(frame), data)
    return {column.name: column for column in found.columns}, doubtful(found, data)


def test_what_it_says_is_what_pandas_says(spark, sales):
    columns, _ = columns_of(spark, sales, ["data.label=price"])
    size = columns["size"]
    assert (size.rows, size.missing) == (500, 50)
    assert size.mean == pytest.approx(sales["size"].mean())
    assert size.deviation == pytest.approx(sales["size"].std())
    assert (size.quantiles[0], size.quantiles[-1]) == (sales["size"].min(), sales["size"].max())
    assert size.quantiles[25] == pytest.approx(sales["size"].median(), abs=0.1)
    assert size.explains == pytest.approx(sales["size"].corr(sales["price"]) ** 2)
    assert columns["town"].values == tuple(sales["town"].value_counts().items())
    assert columns["town"].distinct == 3
    assert dict(columns["rooms"].values) == {str(key): rows for key, rows in sales["rooms"].value_counts().items()}
    assert columns["who"].distinct == pytest.approx(500, rel=0.1)


@pytest.mark.parametrize("price", ["{:.0f}", "${:.0f}"])
def test_what_gives_the_label_alone_is_said_and_stands_in_the_config(spark, tmp_path, cluster_words, capsys, price):
    file, x = tmp_path / "sales.csv", np.random.default_rng(4).normal(size=100)
    frame = pd.DataFrame({"x": x, "price": [price.format(100 + at) for at in range(100)]})
    frame.assign(tax=np.arange(100.0) / 5).to_csv(file, index=False)
    target = tmp_path / "conf" / "data" / "sales.yaml"
    profile_data(load(["data=table", f"data.path={file}", "data.label=price", *cluster_words]), target, None)
    assert capsys.readouterr().out.count("features that alone give the label: tax; ") == 1
    note = "# Alone given by tax: to be in exclude, if known only once the label is.\nlabel: price\n"
    assert note in target.read_text()


def test_bars_are_those_of_the_rows(spark):
    values = np.random.default_rng(2).normal(size=20_000)
    columns, _ = columns_of(
        spark, pd.DataFrame({"even": np.arange(1000.0), "bell": values[:1000], "two": [0.0, 1.0] * 500})
    )
    assert histogram(columns["even"]) == pytest.approx([1] * BINS, abs=0.05)
    counts = np.histogram(values[:1000], BINS)[0]
    assert histogram(columns["bell"]) == pytest.approx(counts / counts.max(), abs=0.15)
    two = histogram(columns["two"])
    assert two[0] == pytest.approx(1, abs=0.1)
    assert two[-1] == pytest.approx(1, abs=0.1)
    assert max(two[1:-1]) < 0.1


def test_what_is_doubtful_is_said_with_the_word_that_helps(spark, sales):
    _, warnings = columns_of(spark, sales, ["data.label=price"])
    said = "\n".join(warnings)
    assert "'cents' is numbers such as '$1,200.50', read as 1200.5 but for 'n/a'" in said
    assert "the config that suits it reads it so" in said  # and is tried by the test of what it writes
    assert "size (50 rows)" in said
    assert "one value in all rows: same; " in said
    assert "count the rows: number; " in said
    assert "'who' (" in said
    assert "alone give the label: tax; " in said
    assert "whole numbers of few values: rooms; " in said
    assert "town" not in said


def test_rows_that_are_there_twice_are_counted_where_columns_tell_rows_apart(spark):
    frame = pd.DataFrame({"id": [*range(98), 5, 5], "x": 1.5, "kind": ["a", "b"] * 50})
    frame.loc[98:, "kind"] = frame.loc[5, "kind"]
    _, said = columns_of(spark, frame)
    (twice,) = [each for each in said if "once more" in each]
    assert twice.startswith("data has 2 rows that are there once more, alike in all columns: 'data.query=")
    assert twice.endswith("SELECT DISTINCT * FROM source\"'")
    _, said = columns_of(spark, frame.drop(columns="id"))
    assert not [each for each in said if "once more" in each]
    # What is missing in another column is another row.
    texts, gaps = [f"t{at}" for at in range(50)], [None] * 50
    apart = pd.DataFrame({"a": [*texts, *gaps], "b": [*gaps, *texts]})
    _, said = columns_of(spark, apart)
    assert not [each for each in said if "once more" in each]


def test_without_a_label_the_next_command_clusters_by_the_longest_text(spark, tmp_path, cluster_words, capsys):
    file, words = tmp_path / "notes.csv", [f"word{at}" for at in range(40)]
    lines = [" ".join(words[at % 7 : at % 7 + 5]) for at in range(60)]
    bodies = [" ".join(words[at % 29 : at % 29 + 11]) for at in range(60)]
    pd.DataFrame({"title": [f"{line} {at}" for at, line in enumerate(lines)], "body": bodies}).to_csv(file, index=False)
    profile_data(load(["data=table", f"data.path={file}", *cluster_words]), None, None)
    asked = (
        "experiments --config-dir my_conf data=notes 'preprocessing=[hash_text,auto]' preprocessing.words.inputCol=body"
    )
    assert f"after that {asked} model=kmeans" in " ".join(capsys.readouterr().out.split())


def test_texts_for_what_is_not_known_are_said_where_they_are_categories(spark):
    frame = pd.DataFrame({"kind": [*["a", "K.A.", "-"] * 30, *["-"] * 10], "x": range(100), "y": [0.5, 1.5] * 50})
    _, said = columns_of(spark, frame.assign(part=["unknown", "1", "2", "3"] * 25), ["data.label=y"])
    (gaps,) = [each for each in said if "not known" in each]
    # What the config has for another column is no more to be said.
    assert "not known: '-' in 'kind' (40 rows), 'K.A.' in 'kind' (30 rows); they are" in gaps
    assert gaps.endswith("to have them missing: 'data.missing_values=[\"-\",K.A.]'")


@pytest.mark.long
def test_a_label_with_one_class_in_nearly_all_rows_is_said(spark):
    frame = pd.DataFrame({"size": np.arange(200.0), "left": [0] * 184 + [1] * 16, "even": [0, 1] * 100})
    for words, is_said in [
        (["data.label=left"], True),
        (["data.label=even"], False),
        (["data.label=size"], False),
        (["data.label=left", "data.balance=classes"], False),
    ]:
        _, warnings = columns_of(spark, frame, words)
        assert any("data.label=left is '0' in 92.0% of the rows" in each for each in warnings) is is_said
        assert not is_said or any("data.balance=classes" in each for each in warnings)


@pytest.mark.long
def test_what_it_writes_leads_to_a_model_at_once(spark, sales, cluster_words, store, tmp_path, capsys):
    sales.drop(columns="tax").to_csv(tmp_path / "sales.csv", index=False)
    to = tmp_path / "my_conf" / "data" / "our_sales.yaml"
    words = ["data=table", f"data.path={tmp_path / 'sales.csv'}", "data.label=price", *cluster_words]
    profile_data(load(words), to, None)
    said = capsys.readouterr().out
    assert f"experiments --config-dir {tmp_path / 'my_conf'} data=our_sales preprocessing=auto" in said
    words = ["data=our_sales", "preprocessing=auto", "model=ridge", "model.estimator.regParam=0", *cluster_words]
    config = load([*words, f"tracking.uri={store}", "registry=none"], tmp_path / "my_conf")
    assert sorted(config.data.exclude) == ["number", "same", "who"]
    assert config.data.missing_values == ["n/a"]
    result = run(config, around=Unsaved())
    assert result.metrics["r2"] > 0.9
    with pytest.raises(ConfigError, match="must be a new file"):
        profile_data(load(["data=table", f"data.path={tmp_path / 'sales.csv'}", *cluster_words]), to, None)


@pytest.mark.long
def test_codes_are_written_as_names_and_sentences_are_read_by_their_words(cluster_words, tmp_path, capsys):
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"postcode": random.choice(["04109", "10115", "80331"], 300), "size": random.normal(size=300)})
    frame["note"] = [f"called on day {number % 97} of the year" for number in range(300)]
    frame["price"] = 2 * frame["size"]
    frame.to_csv(tmp_path / "flats.csv", index=False)
    to = tmp_path / "my_conf" / "data" / "our_flats.yaml"
    words = ["data=table", f"data.path={tmp_path / 'flats.csv'}", "data.label=price", *cluster_words]
    profile_data(load(words), to, None)
    said = capsys.readouterr().out
    assert load(["data=our_flats"], tmp_path / "my_conf").data.categories == ["postcode"]
    by_words = "'preprocessing=[hash_text,auto]' preprocessing.words.inputCol=note"
    assert f"data=our_flats {by_words} model=" in " ".join(said.split())
    assert "whole numbers of few values" not in said
    query = ["data.query='SELECT * FROM data'"]
    with pytest.raises(ExperimentError, match=r"to data.query what was read is `source`"):
        profile_data(load([*words, *query]), None, None)


def test_what_a_sketch_may_get_wrong_is_not_believed(spark):
    """Codes are no numbers; two values that a sketch takes for one are two; texts of very many values are looked at."""
    rows = 15_000
    frame = pd.DataFrame({"code": [f"{number:05d}" for number in range(rows)]})
    frame["region"] = ["North", "West"] * (rows // 2)
    frame["size"] = [f"{number},5" for number in range(rows)]
    frame["title"] = [f"a title of {number}" for number in range(rows - 10)] + [str(1984 + year) for year in range(10)]
    frame["flag"] = True
    columns, warnings = columns_of(spark, frame)
    assert columns["code"].look is None
    assert columns["size"].look.kind == "numbers"
    assert columns["title"].look is None
    constant = [said for said in warnings if "one value in all rows" in said]
    assert len(constant) == 1
    assert "rows: flag;" in constant[0]


@pytest.fixture
def store(new_store, tmp_path):
    return new_store(tmp_path / "store")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("na.csv", ["data.label=y"]),
        ("decimal_comma.csv", ["data.label=y", 'data.options.sep=";"']),
        ("label_bool.csv", ["data.label=ok"]),
    ],
)
def test_files_of_others_need_no_second_word(spark, file, words, cluster_words, store, tmp_path):
    to = tmp_path / "conf" / "data" / "theirs.yaml"
    profile_data(load(["data=table", f"data.path={CASES / file}", *words, *cluster_words]), to, None)
    model = "logistic_regression" if file == "label_bool.csv" else "linear_regression"
    chosen = ["data=theirs", "preprocessing=auto", f"model={model}", *cluster_words, f"tracking.uri={store}"]
    result = run(load([*chosen, "registry=none"], tmp_path / "conf"), around=Unsaved())
    assert max(result.metrics.get("r2", 0), result.metrics.get("accuracy", 0)) > 0.9


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)


def test_nothing_hostile_is_obeyed_and_no_secret_is_written(spark, cluster_words, tmp_path, capsys, secret):
    data = load(["data=table", f"data.path=ftp://me:{secret}@host/a.csv"]).data
    found = profile(spark.createDataFrame(pd.DataFrame({"a": [1, 2]})), data)
    assert secret not in as_yaml(suited(found, data, "a"), found.rows, "")
    hostile = '<script>alert("x")</script>[bold]\x1b[31m'
    pd.DataFrame({hostile: [hostile, "b", "c"], "=1+2": [1, 2, 3]}).to_csv(tmp_path / "odd.csv", index=False)
    words = [
        "data=table",
        f"data.path={tmp_path / 'odd.csv'}",
        f"data.options.fs.ftp.password={secret}",
        *cluster_words,
    ]
    profile_data(load(words), tmp_path / "odd.yaml", tmp_path / "odd.html")
    printed = capsys.readouterr().out
    assert "\x1b[31m" not in printed
    assert "[bold]" in printed
    page = (tmp_path / "odd.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.tags
    assert "table" in tags.tags
    assert "\x1b" not in page
    assert secret not in page + (tmp_path / "odd.yaml").read_text() + printed


def test_a_wrong_word_is_said_before_spark(tmp_path, cluster_words, spark):
    with pytest.raises(ConfigError, match="matches no file"):
        profile_data(load(["data=table", "data.path=nowhere.csv"]), None, None)
    with pytest.raises(ConfigError, match="--to must be left out"):
        profile_data(load(["data=diabetes"]), tmp_path / "x.yaml", None)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ExperimentError, match="did you mean 'a'"):
        profile_data(
            load(["data=table", f"data.path={tmp_path / 'a.csv'}", "data.label=A", *cluster_words]), None, None
        )


@pytest.mark.long
def test_rows_without_a_label_or_a_date_are_left_out_alone_and_what_is_written_says_so(spark, tmp_path, cluster_words):
    random = np.random.default_rng(0)
    dates = pd.date_range("2024-01-01", periods=300).strftime("%d/%m/%Y")
    frame = pd.DataFrame({"day": dates, "x": random.normal(size=300), "left": (random.random(300) > 0.5) * 1.0})
    frame.loc[3:7, "left"] = frame.loc[10:14, "day"] = frame.loc[20:40, "x"] = None
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    config = load(["data=table", f"data.path={tmp_path / 'gaps.csv'}", "data.label=left", *cluster_words])
    profile_data(config, tmp_path / "conf" / "data" / "gaps.yaml", None)
    words = ["data=gaps", "preprocessing=auto", "model=random_forest", "model.estimator.numTrees=3", "registry=none"]
    stored = [f"tracking.folder={tmp_path}", *cluster_words]
    made = run(load([*words, *stored], tmp_path / "conf"), around=Unsaved())
    assert sum(made.rows.values()) == 290  # and those of the gaps that are filled


@pytest.mark.long
def test_a_date_that_many_rows_lack_costs_no_rows_but_the_column(spark, tmp_path, cluster_words, capsys):
    """Who never came back is not to be left out of a table of those who leave."""
    random = np.random.default_rng(4)
    dates = pd.date_range("2024-01-01", periods=300).strftime("%d/%m/%Y")
    frame = pd.DataFrame({"last_login": dates, "x": random.normal(size=300)})
    frame["title"] = [f"{random.choice(['old', 'new'])} {random.choice(['oak', 'elm'])} {i}" for i in range(300)]
    frame["country"] = random.choice(["NA", "FR"], 300)
    frame["left"] = np.where(frame["x"] > 0, "yes", "no")
    frame.loc[::10, "last_login"] = None
    frame.to_csv(tmp_path / "churn.csv", index=False)
    config = load(["data=table", f"data.path={tmp_path / 'churn.csv'}", "data.label=left", *cluster_words])
    written = tmp_path / "conf" / "data" / "churn.yaml"
    profile_data(config, written, None)
    said = " ".join(capsys.readouterr().out.split())
    assert "in many rows: last_login (30 of 300 rows); the config that suits it leaves the column out" in said
    assert "from their words, where these come again: 'preprocessing=[hash_text,auto]'" in said
    assert "'NA' in 'country' (" in said
    keys = yaml.safe_load(written.read_text())
    assert keys["exclude"] == ["last_login", "title"]
    assert "query" not in keys
    command = written.read_text().splitlines()[0].partition("   ")[2]
    assert said.endswith(f"next: {command}")
    assert command.endswith("data=churn preprocessing=auto model=random_forest")
    query = re.search(r"may tell something: '(data\.query=.*?)'(?: !|$)", said)[1]
    words = ["data=churn", query, "preprocessing=auto", "model=random_forest", "model.estimator.numTrees=3"]
    stored = ["registry=none", f"tracking.folder={tmp_path}", *cluster_words]
    made = run(load([*words, *stored], tmp_path / "conf"), around=Unsaved())
    assert sum(made.rows.values()) == 300


@pytest.fixture(scope="module")
def rides():
    random = np.random.default_rng(1)
    start = pd.date_range("2023-01-01 05:00", periods=320, freq="7h")
    seconds, distance = random.integers(300, 3600, 320), random.uniform(1, 20, 320)
    frame = pd.DataFrame({"start": start.strftime("%m/%d/%Y %I:%M %p"), "distance": distance.round(2)})
    frame["took"] = [f"00:{each // 60:02d}:{each % 60:02d}" for each in seconds]
    frame["zone"] = [f"{each:04d}" for each in range(320)]
    frame["day"] = start.strftime("%Y%m%d").astype(int)
    frame["degrees"] = np.where(random.random(320) < 0.05, -999, random.integers(0, 35, 320))
    frame["plan"] = random.choice(["Basic", "basic ", "Pro"], 320)
    frame["price"] = [f"${each:.2f}" for each in 3 + 1.5 * distance + seconds / 250]
    return frame


@pytest.mark.long
def test_what_is_read_otherwise_than_meant_is_said(spark, rides, store, cluster_words, tmp_path, capsys):
    rides.to_csv(tmp_path / "rides.csv", index=False)
    config = load(["data=table", f"data.path={tmp_path / 'rides.csv'}", "data.label=price", *cluster_words])
    written = tmp_path / "conf" / "data" / "rides.yaml"
    profile_data(config, written, None)
    said = " ".join(capsys.readouterr().out.split())
    assert "days written as numbers, and read as numbers: day;" in said
    assert "-999 in degrees;" in said
    assert "values in 'plan' that differ in blanks or capitals only" in said
    # One query does all that is said, as only one can be given: the times too.
    (query,) = re.findall(
        r"else, in day, degrees, plan, which .* writes it into the config: '(data\.query=.*?)'(?: !|$| written)", said
    )
    assert "to_date(string(`day`)" in query
    assert "split(" in query
    assert "model=random_forest_regressor" in said  # the price was text until its sign was set
    keys = yaml.safe_load(written.read_text())
    assert keys["date_format"] == "M/d/yyyy h:mm a"
    assert keys["exclude"] == ["zone"]  # a code with a value for each row
    assert "categories" not in keys
    words = ["data=rides", "preprocessing=auto", "model=linear_regression", *cluster_words]
    fitted = run(load([*words, f"tracking.uri={store}", "registry=none"], tmp_path / "conf"), around=Unsaved())
    assert fitted.metrics["r2"] > 0.99


def panel(spark, frame, label="kwh"):
    data = load(["data=table", "data.path=unread.csv", f"data.label={label}"]).data
    rows = spark.createDataFrame(frame)
    return panel_of(rows, profile(rows, data).columns, label)


@pytest.mark.long
def test_rows_of_one_are_found_by_what_never_differs_within_it(spark):
    random = np.random.default_rng(3)
    of = np.repeat(np.arange(20), 12)
    frame = pd.DataFrame({"building": [f"B{number}" for number in of], "area": random.integers(500, 9000, 20)[of]})
    frame["month"] = pd.to_datetime([f"2024-{month % 12 + 1:02}-01" for month in range(240)]).date
    frame["temperature"], frame["kwh"] = random.normal(size=(2, 240))
    assert panel(spark, frame) == Panel("building", 20, ("area",), "month")
    (said,) = said_of_panel(panel(spark, frame), 240)
    assert "(20 values of some 12 rows each, within which area never differs)" in said
    assert said.endswith("data.group=building judges it by new ones, data.time=month by later rows")
    # By months alone.
    assert panel(spark, frame.drop(columns="area")) == Panel("building", 20, (), "month")
    # What all rows have in any order belongs to nobody.
    mixed = frame.drop(columns="area").assign(building=random.permutation(frame["building"]))
    assert panel(spark, mixed) is None
    assert said_of_panel(None, 240) == []
    # A time that never comes again is of a row, and a country follows from its town.
    times = mixed.assign(month=pd.date_range("2024-01-01", periods=240, freq="h"))
    assert panel(spark, times) is None
    of = random.integers(0, 20, 240)
    towns = times.assign(building=[f"B{number}" for number in of], country=of // 2, rooms=random.integers(1, 9, 240))
    assert panel(spark, towns.assign(floor=random.integers(1, 9, 240))) is None
    # Unless its name says who a row is about: visits of patients, whose age is all that stays.
    visits = towns.drop(columns="country").rename(columns={"building": "patient_id"}).assign(age=of * 3)
    visits["ward"], visits["crp"] = random.integers(1, 6, 240), random.integers(1, 9, 240)
    assert panel(spark, visits) == Panel("patient_id", 20, ("age",), None)


def test_a_text_for_a_gap_in_one_column_is_counted_in_those_of_text(spark, capsys):
    kinds = ["a", "b", "k.A."] * 40
    frame = pd.DataFrame({"kind": kinds, "size": [*["1,5", "2,5"] * 55, *["k.A."] * 10], "y": range(120)})
    data = load(["data=table", "data.path=unread.csv", "data.label=y"]).data
    show(profile(spark.createDataFrame(frame), data), [])
    shown = capsys.readouterr().out
    assert re.search(r"kind +string +40 as k.A.", shown)
    assert re.search(r"size +string, nearly numbers +10 as k.A.", shown)


def test_empty_texts_and_totals_are_said_with_the_words_that_help(spark):
    frame = pd.DataFrame({"town": ["Nara", "", "Kyoto", " "] * 25, "x": range(100), "y": [0.5, 1.5] * 50})
    frame["part"] = ["grand total" if at == 99 else "north" for at in range(100)]
    _, said = columns_of(spark, frame, ["data.label=y", "data.missing_values=[NA]"])
    (empty,) = [each for each in said if "empty" in each]
    assert "no gap: town (50 rows); to have them missing: 'data.missing_values=[NA,\"\"]'" in empty
    data = load(["data=table", "data.path=unread.csv", "data.label=y"]).data
    assert profile(spark.createDataFrame(frame), data).totals == {"part": 1}
    assert profile(spark.createDataFrame(frame.drop(columns="part")), data).totals == {}


@pytest.mark.parametrize(
    "name", ["Total", " totals", "Sub-Total:", "subtotal", "Zwischensumme", "Sous-total", "Totale"]
)
def test_the_query_leaves_out_what_people_write_before_a_sum_and_nothing_else(spark, name):
    frame = pd.DataFrame({"part": [*["north", "Totally other", "total loss", None] * 20, name], "y": range(81)})
    rows = spark.createDataFrame(frame)
    assert is_total(name)
    assert totals_of(rows, ["part"], 81) == {"part": 1}
    rows.createOrReplaceTempView("source")
    assert spark.sql(without_totals(["part"], None)).toPandas().equals(frame[:80])


def test_dates_and_numbers_that_can_be_read_in_two_ways_are_lines_of_their_own(spark, tmp_path, cluster_words, capsys):
    file = tmp_path / "bills.csv"
    days = [f"{1 + at % 12:02}/{1 + at // 5:02}/2024" for at in range(60)]
    pd.DataFrame({"day": days, "sum": ["1,234", "2,500"] * 30, "y": range(60), "part": ["a"] * 59 + ["Total"]}).to_csv(
        file, index=False
    )
    target = tmp_path / "conf" / "data" / "bills.yaml"
    words = ["data=table", f"data.path={file}", "data.label=y", *cluster_words]
    profile_data(load(words), target, None)
    shown = capsys.readouterr().out
    (day,) = [line for line in shown.splitlines() if line.startswith("! data has 'day', whose values can be read in")]
    assert "the config that suits it says data.date_format=M/d/yyyy; where " in day
    assert day.endswith(" is a day of another month, it is data.date_format=d/M/yyyy")
    assert "rows that are called a total in 'part' (1 row)" in shown
    text = target.read_text()
    assert "a day of another month instead: data.date_format=d/M/yyyy\ndate_format: M/d/yyyy\n" in text
    assert "is a number with decimals instead: 'data.decimal=\",\"' data.thousands=null\nthousands: ','\n" in text


def test_a_category_called_total_is_left_out_by_no_query(spark):
    frame = pd.DataFrame({"part": ["total", "north"] * 50, "x": [*range(99), -999], "y": [0.5, 1.5] * 50})
    _, said = columns_of(spark, frame, ["data.label=y"])
    (query,) = [each for each in said if "data.query=" in each]
    assert "nullif(`x`, -999)" in query
    assert "part" not in query
    assert not [each for each in said if "called a total" in each]

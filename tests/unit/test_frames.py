"""Columns of pandas frames as a logged model takes them, and the line of pandas that makes them so."""

import warnings

import numpy as np
import pandas
import pandas as pd
import pyarrow as pa
import pytest

from experiments import load
from experiments.data.csv_files import pandas_line
from experiments.data.missing import patterns_of
from experiments.tracking.experiments_pyfunc.frames import BadRows, arrow, column_of
from experiments.tracking.experiments_pyfunc.seen import Categories, warn_of_far


def way_out(error, name):
    """The statement that the message tells to type."""
    return str(error.value).partition(f"as the fit read them: frame[{name!r}] = ")[2]


def reading(**said):
    """As a model records it that was fitted with these settings of the data."""
    words = (f"data.{key}={value}" for key, value in said.items())
    return patterns_of(load(["model=ridge", "data=table", "data.path=x.csv", "data.label=y", *words]).data)


COMMAS = {"thousands": "'.'", "decimal": "','"}


@pytest.mark.parametrize(
    ("texts", "said", "numbers"),
    [
        (["43.16", "unknown", "1.5"], {"missing_values": "[unknown,' ? ']"}, [43.16, None, 1.5]),
        ([" ? ", "1.5"], {"missing_values": "[unknown,' ? ']"}, [None, 1.5]),
        (["€ 1,233.00", "$2", "-$ 5"], {"units": '["$","€"]', "thousands": "','"}, [1233.0, 2.0, -5.0]),
        ([" - ", "-", "", None], {"missing_values": "['-']", "decimal": "','"}, [None, None, None, None]),
        (
            ["1\u202f234,50\u00a0€", "1 234\u00a0€"],
            {"units": '["€"]', "thousands": "' '", "decimal": "','"},
            [1234.5, 1234.0],
        ),
        ([" - ", "5 %"], {"units": '["%"]', "missing_values": "['-']"}, [None, 5.0]),
        (["1'000", "2"], {"thousands": '"\'"'}, [1000.0, 2.0]),
    ],
)
@pytest.mark.parametrize("kind", ["object", "string", "category"])
def test_texts_that_the_fit_reads_as_numbers_are_read_so(texts, said, numbers, kind):
    column = pd.Series(texts, dtype=kind)
    assert arrow("monthly fee", "double", column, reading(**said)).to_pylist() == numbers


@pytest.mark.parametrize("kind", ["object", "string", "category"])
def test_of_points_between_thousands_the_line_is_said_as_pandas_reads_other_columns_otherwise(kind):
    frame = pd.DataFrame({"monthly fee": pd.Series(["1.605,16 €", None, "2,5", "k.A."], dtype=kind)})
    known = reading(units='["€"]', missing_values="[k.A.]", **COMMAS)
    with pytest.raises(BadRows) as error:
        arrow("monthly fee", "double", frame["monthly fee"], known)
    frame["monthly fee"] = eval(way_out(error, "monthly fee"), {"pandas": pandas, "frame": frame})
    assert arrow("monthly fee", "double", frame["monthly fee"], known).to_pylist() == [1605.16, None, 2.5, None]


def test_a_text_that_the_fit_would_not_read_is_named_and_no_line_makes_a_number_of_it():
    with pytest.raises(
        BadRows, match=r"texts such as 'many', which is spelled .*errors='coerce'\) 1 of 3 become gaps$"
    ):
        arrow("calls", "bigint", pd.Series(["1", "many", None]), reading())
    with pytest.raises(BadRows, match=r"texts such as 'few', which is spelled otherwise than numbers were at the fit$"):
        arrow("calls", "bigint", pd.Series(["few", "many"]), reading())
    frame = pd.DataFrame({"calls": ["13,0", "7"]})
    with pytest.raises(BadRows, match=r"if its comma stands before decimals: ") as error:
        arrow("calls", "double", frame["calls"], reading())
    line = str(error.value).partition("decimals: frame['calls'] = ")[2]
    assert eval(line, {"pandas": pandas, "frame": frame}).tolist() == [13.0, 7.0]
    with pytest.raises(BadRows, match=r"texts such as '43\.16', which is spelled otherwise than numbers were .*fit$"):
        arrow("calls", "double", pd.Series(["1.605,16", "43.16"]), reading(**COMMAS))
    with pytest.raises(BadRows, match="numbers and texts, such as '1,5', in one column"):
        arrow("calls", "double", pd.Series([2.0, "1,5"]), reading(**COMMAS))
    with pytest.raises(BadRows, match="give numbers, as they were at the fit"):
        arrow("calls", "double", pd.Series(["1.605"]), None)  # a model of an earlier version says nothing


def test_texts_of_truths_are_read_as_at_the_fit():
    lift = pd.Series(["true", "False ", None, "unknown", True])
    made = arrow("lift", "boolean", lift, reading(missing_values="[unknown]"))
    assert made.to_pylist() == [True, False, None, None, True]


@pytest.mark.parametrize(
    ("texts", "truths"),
    [
        (["yes", "no", None], [True, False, None]),
        (["nein", True, "ja"], [False, True, True]),
        (["off", "on"], [False, True]),
        (["Yes", "yes", "n", " No "], [True, True, False, False]),
    ],
)
def test_other_texts_of_truths_are_answered_with_a_map_to_be_looked_at(texts, truths):
    frame = pd.DataFrame({"lift": pd.Series(texts, dtype=object)})
    with pytest.raises(BadRows, match="'lift' must be True or False, as at the fit") as error:
        arrow("lift", "boolean", frame["lift"], reading())
    line = str(error.value).partition("if that is what they mean: frame['lift'] = ")[2]
    assert arrow("lift", "boolean", eval(line, {"frame": frame}), reading()).to_pylist() == truths


def test_a_map_of_texts_that_nobody_knows_cannot_be_pasted_before_it_is_filled_in():
    with pytest.raises(BadRows, match="the texts 'closed', 'open'; say which is which") as error:
        arrow("lift", "boolean", pd.Series(["open", "closed", True]), reading())
    assert str(error.value).endswith("frame['lift'].map({True: True, 'closed': ?, 'open': ?})")


def test_a_gap_among_dates_is_one():
    day = pd.Series(["2024-03-01", "n/a", None])
    assert arrow("day", "date", day, reading()).to_pylist() == ["2024-03-01", "n/a", None]  # Spark looks
    assert arrow("day", "date", day, reading(missing_values="[n/a]")).to_pylist() == ["2024-03-01", None, None]
    whole = pd.Series([20240301, 0])
    assert arrow("day", "date", whole, reading(missing_values="[0]")).to_pylist() == ["20240301", None]


def test_of_many_categories_new_ones_are_said_where_most_rows_have_them():
    few, many = (Categories(frozenset(f"{n:05}" for n in range(count)), None, "nothing") for count in (10, 1000))
    lost = pd.Series(["00001", *map(str, range(10)), None])  # of codes without their zeros
    assert list(few.new(lost)) == list(many.new(lost)) == [*map(str, range(10))]
    usual = pd.Series([*(f"{n:05}" for n in range(9)), "2"])
    assert list(few.new(usual)) == ["2"]
    assert not len(many.new(usual))
    assert not len(many.new(pd.Series(["new"])))  # a row that is asked for alone
    assert few.few == sorted(few.values)
    assert many.few == []
    assert list(Categories(frozenset("a"), False, "nothing").new(pd.Series([None, "a"]))) == ["(missing)"]


def test_truths_in_the_place_of_texts_are_refused():
    with pytest.raises(BadRows, match="'renews' must be text, as at the fit, got bool: give the texts of the file"):
        arrow("renews", "string", pd.Series([True, False]), reading())
    with pytest.raises(BadRows, match=r"read it with dtype=\{'zip': 'str'\}, as zeros that are lost"):
        arrow("zip", "string", pd.Series([1067, 10115]), reading())


def test_a_number_that_stood_for_a_gap_is_one():
    made = arrow("z", "bigint", pd.Series([1, -999]), reading(missing_values="[-999,unknown]"))
    assert made.to_pylist() == [1, None]
    with pytest.raises(BadRows, match="'z' must have a value in every row, got 1 of 2 without"):
        column_of("z", "bigint", pd.DataFrame({"z": [1, -999]}), False, reading(missing_values="[-999]"))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], None),
        (["data.options.header=false", "data.options.sep=;"], None),
        (["data.options.escape=x", "data.options.sep=;"], None),
        (
            ["data.options.sep=;", 'data.options.quote="\'"', "data.categories=[zip]"],
            "pandas.read_csv('FILE', sep=';', quotechar=\"'\", na_values=[''], dtype={'zip': 'str'}, "
            "keep_default_na=False)",
        ),
    ],
)
def test_the_line_of_pandas_says_all_that_the_config_does_or_is_none(words, line):
    data = load(["model=ridge", "data=table", "data.path=x.csv", "data.label=y", *words]).data
    assert pandas_line(data, {"zip": "string", "x": "double"}) == line


@pytest.mark.parametrize(
    ("spelled", "right", "wrong"),
    [
        ("d.M.yyyy", ["1.2.2025", "31.12.2024", "2024-12-31"], ["122025", "2025", "10:30", "1/2/2025", "1.2.25"]),
        ("M/d/yyyy h:mm a", ["3/21/2024 1:05 PM", "2024-03-21 13:05:00"], ["3/21/2024", "3/21/2024 13:05", "2024"]),
        ("yyyyMMdd", ["20240321"], ["2024321", "21.3.2024"]),
        ("d MMM yy", ["3 Mar 24"], ["3 03 24", "3 Mar 2024"]),
        ("yyyy-MM-dd'T'HH:mm[:ss]", ["2024-03-21T10:00", "2024-03-21T10:00:05"], ["2024-03", "T10:00"]),
        (None, ["2024-03-21", "2024-3-1", "2024-03-21T10:00:00.123Z", "2024-03-21 10:00:00+01:00"], ["2024", "10:30"]),
    ],
)
def test_dates_that_spark_would_take_for_others_are_refused(spelled, right, wrong):
    known = {**reading(), "date_format": spelled}
    assert arrow("day", "date", pd.Series(right), known).to_pylist() == right
    for text in wrong:
        with pytest.raises(BadRows, match="'day' must be spelled as at the fit, dates as ") as error:
            arrow("day", "date", pd.Series([*right, text]), known)
        assert f"got {text!r}" in str(error.value)
    assert arrow("day", "date", pd.Series(wrong), reading()).to_pylist() == wrong  # a model that does not say


def test_whole_numbers_are_no_dates_and_said_to_come_of_their_points():
    with pytest.raises(
        BadRows, match=r"got '122025'; pandas' thousands='.' makes such numbers of dates: dtype=\{'day'"
    ):
        arrow("day", "date", pd.Series([122025]), {**reading(), "date_format": "d.M.yyyy"})
    whole = arrow("day", "date", pd.Series([20240321]), {**reading(), "date_format": "yyyyMMdd"})
    assert whole.to_pylist() == ["20240321"]


def test_numbers_far_from_those_of_the_fit_are_said_with_their_range():
    columns = {"size": pa.array([60.0, 65000.0, None, 300.5]), "day": pa.array([20230101, -999, 20260101, 20240110])}
    ranges = {"size": (20.5, 140.0), "day": (20240101.0, 20241231.0)}
    size = r"'size' from 20\.5 to 140, not 65000 \(1 of 4 rows\)"
    day = r"'day' from 20240101 to 20241231, not 20230101 \(3 of 4 rows\)"
    with pytest.warns(UserWarning, match=f"^nearly all rows of the fit have {size}; {day}: what is of another unit"):
        warn_of_far(columns, ranges)
    with warnings.catch_warnings(action="error"):  # one row, or two, that are twice as large are no wonder
        warn_of_far({"size": pa.array([60.0, None, 300.0, 280.0]), "day": pa.array([20250101])}, ranges)
    names = [str(place) for place in range(22)]
    with pytest.warns(UserWarning, match="not 1 .*; and 2 columns more: "):
        warn_of_far(dict.fromkeys(names, pa.array([1, 1, 1])), dict.fromkeys(names, (2, 9)))
    with pytest.warns(UserWarning, match="not inf "):
        warn_of_far({"x": pa.array([np.inf])}, {"x": (2, 9)})

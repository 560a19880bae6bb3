"""Columns of pandas frames as a logged model takes them, and the line of pandas that makes them so."""

import pandas
import pandas as pd
import pytest

from experiments.tracking.experiments_pyfunc.frames import BadRows, arrow


def way_out(error, name):
    """The statement that the message tells to type."""
    (line,) = [part for part in str(error.value).split("; ") if f"frame[{name!r}] = " in part]
    return line.partition(f"frame[{name!r}] = ")[2].partition(", in which")[0]


@pytest.mark.parametrize(
    ("texts", "reading", "numbers"),
    [
        (["43.16", "unknown", "1.5"], {"missing_values": ["unknown", "?"]}, [43.16, None, 1.5]),
        (["€ 1,233.00", "$2"], {"units": ["$", "€"], "thousands": ","}, [1233.0, 2.0]),
        (["1.605,16 €", None, "2,5"], {"units": ["€"], "thousands": ".", "decimal": ","}, [1605.16, None, 2.5]),
        ([" - ", "5 %"], {"units": ["%"], "missing_values": ["-"]}, [None, 5.0]),
        (["1'000", "2"], {"thousands": "'"}, [1000.0, 2.0]),
    ],
)
def test_texts_that_the_fit_read_as_numbers_are_answered_with_the_line_that_does_the_same(texts, reading, numbers):
    frame = pd.DataFrame({"monthly fee": texts})
    with pytest.raises(BadRows) as error:
        arrow("monthly fee", "double", frame["monthly fee"], reading)
    frame["monthly fee"] = eval(way_out(error, "monthly fee"), {"pandas": pandas, "frame": frame})
    assert arrow("monthly fee", "double", frame["monthly fee"], reading).to_pylist() == numbers


def test_the_text_that_is_no_number_is_named_and_nothing_is_made_up_of_it():
    with pytest.raises(BadRows, match="texts such as 'many'") as error:
        arrow("calls", "bigint", pd.Series(["1", "many"]), {})
    assert "decimal" not in str(error.value)
    assert "str.replace" not in str(error.value)
    with pytest.raises(BadRows, match="numbers and texts, such as '1,5', in one column"):
        arrow("calls", "double", pd.Series([2.0, "1,5"]), {"decimal": ","})


def test_texts_of_truths_are_answered_with_their_map():
    frame = pd.DataFrame({"lift": ["true", "False", None]})
    with pytest.raises(BadRows) as error:
        arrow("lift", "boolean", frame["lift"], {})
    made = eval(way_out(error, "lift"), {"frame": frame})
    assert arrow("lift", "boolean", made, {}).to_pylist() == [True, False, None]
    with pytest.raises(BadRows, match="'lift' must be True or False, as at the fit"):
        arrow("lift", "boolean", pd.Series(["yes", "no"]), {})


def test_truths_in_the_place_of_texts_are_refused():
    with pytest.raises(BadRows, match="'renews' must be text, as at the fit, got bool: read the file with dtype=str"):
        arrow("renews", "string", pd.Series([True, False]), {})

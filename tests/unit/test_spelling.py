"""What columns of text look like, before Spark is asked."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from experiments import load
from experiments.data.dates import without_weekday
from experiments.data.heads import Head, check_json, check_kinds
from experiments.data.lines import check_lines, lines_of, lost_zeros
from experiments.data.made import made_by_query
from experiments.data.spelling import Spelling, as_number, look_at, settings_of, spelling_of
from experiments.data.texts import said_of_texts
from experiments.data.ways import agreed, other_ways
from experiments.errors import ExperimentError, override
from experiments.profile.doubtful import said_of_two_ways


@pytest.mark.parametrize(
    ("values", "kind", "settings"),
    [
        (["1", "2.5", "NA"], "numbers", {"data.missing_values": ["NA"]}),
        (["1", "2", "3", "?", "", "n/a"], "numbers", {"data.missing_values": ["", "?", "n/a"]}),
        (["1,5", "2,25", "-3,0"], "numbers", {"data.decimal": ","}),
        (["1.234,50", "3,0", "7"], "numbers", {"data.decimal": ",", "data.thousands": "."}),
        (["1,234,567", "12"], "numbers", {"data.thousands": ","}),
        (["1'234.5", "12"], "numbers", {"data.thousands": "'"}),
        (["12\u202f345", "1\u00a0234", "7"], "numbers", {"data.thousands": " "}),
        (["$1,234.50", "$3.00", "-"], "numbers",
         {"data.missing_values": ["-"], "data.thousands": ",", "data.units": ["$"]}),
        (["45 %", "3.5%"], "numbers", {"data.units": ["%"]}),
        (["75,270 km", *(f"{n},000 km" for n in range(1, 20)), "-1"], "numbers",
         {"data.thousands": ",", "data.units": ["km"]}),
        (["12V", "3.5 V"], "numbers", {"data.units": ["V"]}),
        (["120 m2", "35.5 m2"], "numbers", {"data.units": ["m2"]}),
        (["EUR 12.50", "EUR 3"], "numbers", {"data.units": ["EUR"]}),
        (["1 parcel", *(f"{n} parcels" for n in range(2, 30))], "numbers", {"data.units": ["parcel", "parcels"]}),
        (["12/2020", "1/2021", "13/2016"], "dates",
         {"data.missing_values": ["13/2016"], "data.date_format": "M/yyyy"}),
        (["Jan-24", "Feb-24"], "dates", {"data.date_format": "MMM-yy"}),
        (["Fri 13 Jun 2025 23.45", "Sat 5 Jul 2025 7.05"], "dates", {"data.date_format": "d MMM yyyy H.mm"}),
        (["Friday, June 13, 2025", "Mon, July 7, 2025"], "dates", {"data.date_format": "MMMM d, yyyy"}),
        (["1e3", "-2.5E-4", "+7", ".5"], "numbers", {}),
        (["31.12.2024", "01.02.2024"], "dates", {"data.date_format": "d.M.yyyy"}),
        (["12/31/2024", "1/2/2024"], "dates", {"data.date_format": "M/d/yyyy"}),
        (["31/12/2024 10:30", "1/2/2024 9:05"], "dates", {"data.date_format": "d/M/yyyy H:mm"}),
        (["2024-01-02", "unknown", "2024-02-03"], "dates",
         {"data.missing_values": ["unknown"], "data.date_format": "yyyy-M-d"}),
        (["12/31/2024 09:15 AM", "1/2/2024 12:05 PM"], "dates", {"data.date_format": "M/d/yyyy h:mm a"}),
        (["00:13:27", "17:14", "late"], "times", {"data.missing_values": ["late"]}),
        (["Jan 1 2000", "Feb 11 2000"], "dates", {"data.date_format": "MMM d yyyy"}),
        (["true", "False", "NA"], "true and false", {"data.missing_values": ["NA"]}),
    ],
)  # fmt: skip
def test_what_a_column_looks_like(values, kind, settings):
    look = look_at(dict.fromkeys(values, 1), Spelling())
    assert (look.kind, look.spelling.settings) == (kind, settings)


@pytest.mark.parametrize(
    "values",
    [["a", "b"], ["3 rooms", "4 rooms"], ["01", "1", "2"], ["true", "false"], ["yes", "no"], ["10.0.0.1", "10.0.0.2"],
     ["12A", "7B", "3"], ["5 km", "3 mi"], ["5 m", "5 mm"], ["3 PM", "4 PM"], ["5G", "4G"], ["V6", "V8"],
     ["12-4567", "1-1000"], ["T1", "T2"],
     ["1 A", "2 A"], ["Fri 13", "Sat 14"], [f"{n} {'north' if n % 2 else 'south'}" for n in range(40)],
     ["1", *(f"A{i}" for i in range(30)), *map(str, range(40))]],
)  # fmt: skip
def test_what_is_text_stays_text(values):
    assert look_at(dict.fromkeys(values, 1), Spelling()) is None


def test_what_can_be_read_in_two_ways_is_said_so():
    both = look_at({"1,234": 5, "5,678": 5}, Spelling())
    assert {as_number("1,234", both.spelling), as_number("1,234", both.other)} == {1234.0, 1.234}
    dates = look_at({"03/04/2024": 1, "05/06/2024": 1}, Spelling())
    assert {dates.spelling.date_format, dates.other.date_format} == {"M/d/yyyy", "d/M/yyyy"}
    assert look_at({"1,234": 5, "1,5": 5}, Spelling()).other is None


def test_the_other_way_takes_back_what_the_first_says_and_keeps_the_gaps():
    looks = {"sum": look_at({"1,234": 5, "5,678": 5, "-": 1}, Spelling())}
    (way,) = other_ways(looks, Spelling()).values()
    assert (way.now, way.keys) == ("'data.decimal=\".\"' 'data.thousands=\",\"'", ("decimal", "thousands"))
    assert way.words == "'data.decimal=\",\"' data.thousands=null"
    read = load(["data=table", "data.path=x.csv", "data.label=y", "data.thousands=','", *shlex.split(way.words)]).data
    assert as_number("1,234", spelling_of(read)) == 1.234


def test_an_example_of_another_way_stays_on_its_line():
    look = look_at({"$\n1,234": 5, "$\n5,678": 5}, Spelling())
    (way,) = other_ways({"sum": look}, Spelling()).values()
    assert way.example == "$ 1,234"


def test_what_another_column_surely_has_tells_which_of_two_ways_is_meant():
    looks = {
        "sum": look_at({"1,234": 5, "5,678": 5}, Spelling()),
        "share": look_at({"1,5": 5, "2,25": 5}, Spelling()),
        "paid": look_at({"03/04/2024": 1, "05/06/2024": 1}, Spelling()),
        "born": look_at({"30/04/1999": 1, "30/06/1987": 1, "25/12/1987": 3}, Spelling()),
    }
    told = agreed(looks)
    assert other_ways(told, Spelling()) == {}
    assert settings_of(told) == {"data.decimal": ",", "data.date_format": "d/M/yyyy"}
    alone = agreed({name: looks[name] for name in ("sum", "paid")})
    assert list(other_ways(alone, Spelling())) == ["sum", "paid"]


def test_a_column_of_two_ways_that_a_query_reads_is_said_too():
    looks = {
        "born": look_at({"31.12.1999": 1, "30.6.1987": 1}, Spelling()),
        "paid": look_at({"03/04/2024": 1, "05/06/2024": 1}, Spelling()),
    }
    assert list(made_by_query(looks, Spelling())) == ["paid"]
    (said,) = said_of_two_ways(looks, Spelling())
    assert "'paid', whose values can be read in two ways" in said
    assert said.endswith(
        "a query reads it by data.date_format=M/d/yyyy; where 03/04/2024 is a day of another month, the "
        "query must say so"
    )


@pytest.mark.parametrize(("spelled", "read"), [("01/{:02}/2024", "d/M/yyyy"), ("{:02}/01/2024 10:00", "M/d/yyyy H:mm")])
def test_dates_of_months_are_of_one_day_each(spelled, read):
    look = look_at({spelled.format(month): 3 for month in range(1, 13)}, Spelling())
    assert look.spelling.date_format == read
    assert look.other is not None


def test_a_number_among_dates_and_truths_is_made_a_gap_of_theirs_alone():
    looks = {"on": look_at({"31.12.2024": 90, "0": 10}, Spelling()), "is": look_at({"true": 90, "-1": 10}, Spelling())}
    assert settings_of(looks) == {"data.date_format": "d.M.yyyy"}
    made = made_by_query(looks, Spelling())
    assert made["on"] == "try_to_timestamp(string(`on`), 'd.M.yyyy')"
    assert "IN ('true', 'false')" in made["is"]


def test_what_may_be_thousands_is_so_where_the_config_says_that_a_comma_is_before_decimals():
    """A German table: 142.760 km beside 6,5 l."""
    distance, litres = {"142.760": 1, "526": 1}, {"6,5": 1, "7,1": 1}
    looks = {"km": look_at(distance, Spelling()), "l": look_at(litres, Spelling())}
    assert "replace" not in said_of_texts(looks, "the data has text", Spelling())
    known = looks["l"].spelling
    look = look_at(distance, known)
    assert look.spelling.settings == {"data.decimal": ",", "data.thousands": "."}
    assert as_number("142.760", look.spelling) == 142760
    for values in (["142.7", "526"], ["0.567", "1.234"]):
        assert look_at(dict.fromkeys(values, 1), known).spelling.decimal == "."
    assert "'142.760', read as 142760" in said_of_texts({"km": look}, "the data has text", known)


def test_a_time_with_fewer_parts_than_others_is_said_as_what_it_is_taken():
    looks = {
        "took": look_at({"00:13:27": 3, "17:14": 1}, Spelling()),
        "at": look_at({"17:14": 2, "9:05": 2}, Spelling()),
    }
    said = said_of_texts(looks, "the data has text", Spelling())
    assert "(which makes numbers of took, at, in the unit of the last part, 17:14 as 00:17:14)" in said


def test_a_number_that_is_no_thousand_is_not_one():
    assert not Spelling(thousands=",").is_number("1,2")
    assert not Spelling(thousands=",").is_number("12,34")
    assert as_number("$-1,234.5", Spelling(thousands=",", units=("$",))) == -1234.5


@pytest.mark.parametrize(
    "value",
    [["NA", "?", "n/a", "-", "", " ", "a,b", 'q"x', "it's", "\\", "x\\", "[y]", "é 1", "null", "true", "${x}"],
     ";", "\\t", "價格 (g)", "d.M.yyyy"],
)  # fmt: skip
def test_a_word_that_is_shown_can_be_pasted(value):
    (word,) = shlex.split(override("data.x", value))
    read = OverridesParser.create().parse_override(word).value()
    read = [str(item).lower() if isinstance(item, bool) else item for item in read] if isinstance(read, list) else read
    assert read == value


CSV = {"header": True, "escape": '"'}


def head(text, encoding="utf-8"):
    return Head("file:///a.csv", text.encode(encoding) if isinstance(text, str) else text, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a;b\n1;2\n", "'data.options.sep=\";\"'"),
        ("a\tb\n1\t2\n", 'data.options.sep="\\t"'),
        ("a|b\n1|2\n", "'data.options.sep=\"|\"'"),
        ('a,b\n"x\ny",2\n', "data.options.multiLine=true"),
        ("Sales of 2024\n\na,b\n1,2\n3,4\n5,6\n", "tail -n +3 FILE"),
        ("  id   size  \n  1    2.5  \n  2    3.5  \n", "pandas.read_csv"),
        ('mpg\tx\tname\n18.0   1 "a long name"\n15.0\t2  "another"\n', "pandas.read_csv"),
        ('"x","y"\n"1",2,3\n"2",4,5\n', "sed '1s/^/row,/' FILE"),
        ("größe,b\n1,2\n".encode("latin-1"), "data.options.encoding=ISO-8859-1"),
        ("preis €,b\n1,2\n".encode("cp1252"), "data.options.encoding=windows-1252"),
        ("a,b\n1,2\n".encode("utf-16"), "data.options.encoding=UTF-16"),
    ],
)
def test_lines_that_would_be_misread_are_said_with_the_option(text, said):
    with pytest.raises(ExperimentError) as caught:
        check_lines(lines_of(head(text), CSV), CSV)
    assert said in str(caught.value)


def test_an_encoding_that_makes_letters_which_nobody_writes_is_not_that_of_the_file():
    told = {**CSV, "encoding": "iso-8859-1"}
    with pytest.raises(ExperimentError, match=r"whose line 2 has .*data\.options\.encoding=windows-1252"):
        lines_of(head("car,b\nŠkoda,2\n".encode("cp1252")), told)
    assert lines_of(head("größe,b\n1,2\n".encode("latin-1")), told).header == ["größe", "b"]
    with pytest.raises(ExperimentError, match="who wrote it knows"):
        lines_of(head(b"a,b\n\x81,2\n"), {**CSV, "encoding": "windows-1252"})


def test_what_only_java_takes_apart_is_left_to_it():
    for options in ({**CSV, "sep": "||"}, {**CSV, "encoding": "x-windows-874"}):
        lines = lines_of(head("a||b\n1||2\n"), options)
        check_lines(lines, options)
        assert not lines.is_header_only
    named = {**CSV, "sep": ","}
    check_lines(lines_of(head("note\na;b\nc;d\n"), named), named)


def test_zeros_are_looked_for_by_the_names_of_columns():
    tops = [lines_of(head(text), CSV) for text in ("a,b\n1,2\n", "b,a\n3,007\n")]
    assert lost_zeros(tops, ["a", "b"]) == {"a": "007"}


def test_json_that_is_not_a_row_on_each_line_is_said():
    check_json([head('{"a": 1}\n{"a": 2}\n')], {})
    check_json([head("[\n{}\n]\n")], {"multiLine": True})
    with pytest.raises(ExperimentError, match=r"data\.options\.multiLine=true"):
        check_json([head('[\n  {"a": 1}\n]\n')], {})


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        "note\nIt was a good day\nNo\n",
        "full name\nJane Doe\nJohn Smith\n",
        "a\n1\n2\n",
        '"a;b",c\n"1;2",3\n',
        "a,b\n\n1,2\n",
        "a,b\r\n1,2\r\n",
        "\ufeffa,b\n1,2\n",
        'a,b\n"5"" x",2\n',
        "text\nA sentence; with a semicolon\nOne\n",
    ],
)
def test_lines_as_they_should_be_pass(text):
    check_lines(lines_of(head(text), CSV), CSV)


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("Sales of 2024\n\na,b\n1,2\n3,4\n5,6\n", "a,b\n1,2\n3,4\n5,6\n"),
        ('"x","y"\n"1",2,3\n"2",4,5\n', 'row,"x","y"\n"1",2,3\n"2",4,5\n'),
        ("  id   size  \n  1    2.5  \n  2    3.5\n", "id,size\n1,2.5\n2,3.5\n"),
    ],
)
def test_a_command_that_mends_a_file_does(text, mended, tmp_path):
    with pytest.raises(ExperimentError) as caught:
        check_lines(lines_of(head(text), CSV), CSV)
    (command,) = re.findall(r"(?:tail|sed|python -c) .*NEW_FILE(?:.*index=False.*)?", str(caught.value))
    (tmp_path / "FILE").write_text(text)
    programs = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, env={**os.environ, **programs})
    assert (tmp_path / "NEW_FILE").read_text() == mended


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"PK\x03\x04..xl/workbook.xml", "an Excel file"), (b"PK\x03\x04rows.csv", "unzip"),
     (b"PAR1..", "data.format=parquet"), (b'{"x": 1}\n', "which is JSON; data.format=json"),
     (b'[\n {"x": 1}]', "data.format=json data.options.multiLine=true"), (b"Obj\x01avro.codec", "spark-avro_2.13:4."),
     (b"\x1f\x8b\x08", "ends in .gz"), (b"\xfd7zXZ\x00", "unxz"), (b"<!doctype html>", "a web page"),
     (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"), (b"", "which is empty")],
)  # fmt: skip
def test_files_that_are_something_else_are_called_what_they_are(raw, said):
    with pytest.raises(ExperimentError) as caught:
        check_kinds([head(raw)], "csv")
    assert said in str(caught.value)


def test_weekdays_before_some_dates_are_known_and_no_month_is_one():
    values = {"unknown": 1, "May 5, 2025": 9, "Fri, Mar 7, 2025": 9, "Saturday March 8, 2025": 0}
    look = look_at(dict.fromkeys(list(values)[:3], 1), Spelling())
    assert (look.kind, look.has_weekdays, look.spelling.date_format) == ("dates", True, "MMM d, yyyy")
    assert (look.example, look.tokens) == ("Fri, Mar 7, 2025", {"unknown": 1})
    assert [without_weekday(value) for value in values] == ["unknown", "May 5, 2025", "Mar 7, 2025", "March 8, 2025"]


def test_the_date_that_is_shown_tells_the_day_from_the_month():
    look = look_at({"1/2/2024": 9, "3/4/2024": 5, "2/25/2024": 1}, Spelling())
    assert (look.spelling.date_format, look.example) == ("M/d/yyyy", "2/25/2024")


def test_a_date_that_is_shown_tells_what_another_spelling_would_make_of_it():
    look = look_at({"01/01/2022": 5, "07/01/2022": 5, "03/03/2022": 5, "03/05/2022": 5}, Spelling())
    assert look.example in ("07/01/2022", "03/05/2022")


@pytest.mark.parametrize(("text", "spelled"), [("31/08/24", "d/M/yy"), ("31-8-24", "d-M-yy"), ("8/31/24", "M/d/yy")])
def test_short_years_are_known_in_each_order(text, spelled):
    look = look_at({text: 3, text.replace("31", "30"): 2}, Spelling())
    assert (look.kind, look.spelling.date_format) == ("dates", spelled)

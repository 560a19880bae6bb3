"""What the doctor says of a Spark that runs, of the workers' Python and of data."""

import json

import pandas as pd
import pytest

from experiments import load
from experiments.doctor.command import examine


@pytest.fixture
def examined(spark, words, capsys):
    """A function from words to the exit code, and what was found by subject."""

    def look(*more):
        code = examine(load([*words, *more]), as_json=True)
        found = json.loads(capsys.readouterr().out)
        return code, {each["subject"]: each for each in found}

    return look


def test_all_that_a_network_needs_is_there(examined):
    code, found = examined("model=keras_tensorflow")
    assert code == 0, found
    assert {each["state"] for each in found.values()} <= {"ok", "warning"}
    assert [*found][7:] == ["Spark", "data", "slots", "Python there", "packages there", "clocks"]
    assert "2 of them for the workers" in found["slots"]["found"]


def test_too_few_slots_are_said(examined):
    code, found = examined("model=keras_tensorflow", "model.estimator.numWorkers=32")
    assert code == 1
    assert found["slots"]["state"] == "failed"
    assert "got 32" in found["slots"]["found"]
    assert "model.estimator.numWorkers=" in found["slots"]["way_out"]


@pytest.mark.long
def test_data_is_read_by_executors_and_what_cannot_be_read_is_said(examined, tmp_path):
    pd.DataFrame({"a": range(9), "y": range(9)}).to_parquet(tmp_path / "rows.parquet")
    table = ["model=ridge", "data=table", "data.label=y", "data.format=parquet"]
    code, found = examined(*table, f"data.path={tmp_path}/rows.parquet")
    assert (code, found["data"]["state"]) == (0, "ok")
    assert found["data"]["found"] == f"a row of {tmp_path}/rows.parquet was read"
    (tmp_path / "headers.csv").write_text("a,y\n")
    code, found = examined(*table, "data.format=csv", f"data.path={tmp_path}/headers.csv")
    assert (code, found["data"]["state"]) == (1, "failed")
    (tmp_path / "torn.parquet").write_bytes(b"no parquet")
    code, found = examined(*table, f"data.path={tmp_path}/torn.parquet")
    assert (code, found["data"]["state"]) == (1, "failed")
    assert "torn.parquet" in found["data"]["found"]


def test_the_table_has_a_line_for_each_subject(spark, words, capsys):
    assert examine(load([*words, "model=ridge"]), as_json=False) == 0
    said = capsys.readouterr().out
    assert all(f" {subject} " in said for subject in ("Java", "tracking", "artifacts", "Spark", "clocks"))
    assert said.rstrip().endswith("0 failed")

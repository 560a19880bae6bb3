"""Names of a user's are shown as they are: no terminal, page or description obeys them."""

import csv
import io
import re
from types import SimpleNamespace

import pandas as pd
import pytest
from rich.console import Console

from experiments import load
from experiments.errors import ConfigError, ExperimentError
from experiments.figures.output import Output
from experiments.jobs import summarise, tell
from experiments.sweeps.report import _note, report
from experiments.sweeps.shown import Shown, dry_run, print_table
from experiments.terminal.comparison import show_comparison
from experiments.terminal.harmless import harmless, markdown
from experiments.terminal.progress import Progress
from experiments.tracking.run import write_outputs
from experiments.tracking.runs import save

# What is typed, and what is shown.
HOSTILE = {
    "[bold]x[/]": "[bold]x[/]",
    "[/]": "[/]",
    "[bmi]": "[bmi]",
    ":smile: [link=http://x.y]z[/link]": ":smile: [link=http://x.y]z[/link]",
    "\x1b[31mred": r"\x1b[31mred",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x9b31m": r"\x9b31m",
    "a\nb\rc\td": r"a\nb\rc\td",
    "\u202eevil\u2066\u200f": r"\u202eevil\u2066\u200f",
    "\u2028\ud800": r"\u2028\ud800",
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    "=cmd()": "=cmd()",
    "größe 价格 👩‍🔬": "größe 价格 👩‍🔬",
    "http://me:hunter2@host": "http://[redacted]@host",
}
NAMES = [name for name in HOSTILE if "\ud800" not in name]


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_in_a_name_is_a_control(name):
    assert harmless(name) == HOSTILE[name]
    assert harmless("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b"


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text("x\n1\n")
    monkeypatch.chdir(tmp_path)


def hostile_plan(planned, names):
    quoted = ",".join("'" + name.replace("'", "") + "'" for name in names)
    # Of JSON nobody knows the columns before Spark.
    return planned("data=table", "data.format=json", "data.path=x.csv", f"data.label={quoted}", "sweep.models=none")


def rows_of(plan):
    return [
        {
            "trial": trial.number,
            "name": trial.name,
            "run_id": f"run{trial.number}",
            "metric": "rmse",
            "value": 1.0 + trial.number,
            "status": "FINISHED",
            "seconds": 1.5,
            "reason": "<b>why</b>",
            **trial.values,
        }
        for trial in plan.trials
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_sweep_shows_names_as_they_are(name, planned, capsys):
    plan = hostile_plan(planned, [name, "b"])
    dry_run(plan, {})
    print_table(
        plan,
        rows_of(plan),
        {("regression", "rmse"): plan.trials[0]},
        SimpleNamespace(run_id="parent", experiment_id="1", spool=None, warnings_of=lambda _: [name]),
        {plan.trials[0].number: name},
    )
    with Shown(2, 0) as shown:
        shown.say(name)
        shown.started("key", Progress(name))
        shown.ended("key", name, "FAILED", name)
    printed = capsys.readouterr()
    assert printed.out.count(HOSTILE[name]) >= 3
    assert printed.err.count(HOSTILE[name]) == 3
    assert_plain(printed.out + printed.err)


def comparison(name):
    row = {"run_id": "r" * 32, "name": name}
    found = pd.DataFrame(
        [{**row, "status": "FINISHED", "params.model.task": "regression", "metrics.rmse": 1.0, "experiment": "e"}]
    )
    return pd.DataFrame([{**row, "runs": 2, "rmse": 1.0, "rmse_deviation": 0.1}]), found


@pytest.mark.parametrize("name", NAMES)
def test_a_run_and_a_comparison_show_names_as_they_are(name, capsys):
    config = load(["data=table", "data.path=x.csv"])
    config.data.name = name
    config.tracking.folder = None if "hunter2" in name else name  # of a folder it is a part of the path
    ids = {
        "run_id": "r",
        "experiment_id": "1",
        "experiment": name,
        "model_uri": "m",
        "is_spooled": False,
        "positive": name,
    }
    counts = {"train_rows": 8, "test_rows": 2}
    made = SimpleNamespace(metrics={"rmse": 1.0, "train_rmse": 0.5}, registered=(name, 1, name), rows=counts, **ids)
    summarise(config, made)
    show_comparison(*comparison(name))
    tell(ConfigError([f"data.label must be there, got '{name}'"]))
    tell(ExperimentError(name))
    tell(ValueError(name))
    printed = capsys.readouterr()
    assert printed.out.count(HOSTILE[name]) >= 3
    assert f"got '{HOSTILE[name]}'" in printed.err
    assert_plain(printed.out + printed.err.replace("\t", ""))


@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_progress_shows_names_and_warnings_as_they_are(name, is_terminal):
    shown = io.StringIO()
    progress = Progress(name, Console(file=shown, force_terminal=is_terminal, width=200, color_system=None))
    with progress.phase("fit"):
        progress.watch(lambda: name)
        progress.epoch(1, 2, {"epoch_loss": 0.5})
    progress.warn([name])
    text = re.sub(r"\x1b\[(\?25[lh]|2K|1A)", "", shown.getvalue()).replace("\r", "")  # of a line that lives
    assert f"warning: {HOSTILE[name]}\n" in text
    assert_plain(text)


def test_a_report_and_a_description_hold_no_markup_of_a_name(planned, tmp_path):
    plan = hostile_plan(planned, [*NAMES, "[x](http://evil.com) www.evil.com @who ![](a.png) **b** `c`"])
    best = {("regression", "rmse"): plan.trials[-1]}
    rows = rows_of(plan)
    page = report(plan, rows, best, tmp_path)
    assert "<script" not in page
    assert "<b>why" not in page
    assert "&lt;script&gt;" in page
    run = SimpleNamespace(experiment_of=lambda run_id: "1")
    note = _note(run, rows, best, {})
    assert "evil" in note
    assert not re.search(r"[\[\]()`@!<>*:/]|www\.|evil\.", note.split("- [", 1)[1].split("](#/experiments/1/runs/")[0])
    assert markdown("ridge regParam=0.1 solver=l-bfgs") == "ridge regParam=0.1 solver=l-bfgs"


def test_what_is_piped_has_whole_lines_without_boxes(capsys):
    name = "ridge " + "x" * 300
    show_comparison(*comparison(name))
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["run", "name", "runs", "rmse"]
    assert re.split(r"\s{2,}", line.strip()) == ["r" * 32, name, "2", "1 ± 0.1"]


def test_errors_and_warnings_have_no_secrets(capsys):
    tell(ConfigError(["tracking.uri must answer, got 'postgresql://me:hunter2@host/db'"]))
    error = ValueError("password=hunter2")
    error.add_note("token=hunter2")
    tell(error)
    shown = io.StringIO()
    Progress("ridge", Console(file=shown)).warn(["read from http://me:hunter2@host"])
    assert "hunter2" not in capsys.readouterr().err + shown.getvalue()


def assert_plain(text):
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f\u2028\u2029]", text)
    assert "hunter2" not in text


@pytest.mark.parametrize("text", ["=1+1", "=HYPERLINK(0)", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_obey_is_a_text_in_csv(text, tmp_path):
    output = Output("found", [{text: text, "value": -1.5, "text": "-1.5"}])
    write_outputs([output], tmp_path)
    header, row = csv.reader((tmp_path / "found.csv").open(newline=""))
    assert header == [f"'{text}", "value", "text"]
    assert row == [f"'{text}", "-1.5", "-1.5"]
    text = text.strip()  # pandas does not quote a lone carriage return
    save(pd.DataFrame([{"run": text, "rmse": -1.0}]), tmp_path / "runs.csv")
    assert pd.read_csv(tmp_path / "runs.csv").to_dict("records") == [{"run": f"'{text}", "rmse": -1.0}]

"""Names with all that a shell, Hydra, rich or Markdown could take for their own, from the words to the store."""

import pandas as pd
import pytest


@pytest.fixture
def table(tmp_path):
    rows = pd.DataFrame({"Body Mass (g)": range(60), "[bmi]": [i * i % 7 for i in range(60)]})
    rows["größe #1"] = 2.0 * rows["Body Mass (g)"] + rows["[bmi]"]
    rows["<b>x"] = rows["größe #1"] - 1
    rows.to_csv(tmp_path / "data (1) #.csv", index=False)
    return ["model=ridge", "data=table", "data.path=data (1) #.csv", "data.features=[Body Mass (g),?bmi?]"]


def test_a_run_takes_names_as_they_are_typed(typed, store, runs, table):
    done = typed(*table, "data.label=größe #1", "tracking.run=lr=0.1 [bold]", "data.name=my [b] data")
    assert done.returncode == 0, done.stderr
    assert "ridge on my [b] data" in done.stdout
    (run,) = runs(store, "my [b] data")
    assert run.info.run_name == "lr=0.1 [bold]"
    assert run.data.params["data.label"] == "größe #1"
    assert run.data.params["data.features"] == '["Body Mass (g)", "?bmi?"]'
    compared = typed("compare", "my [b] data")
    assert "lr=0.1 [bold]" in compared.stdout


@pytest.mark.by_hand
def test_a_sweep_over_such_names_shows_and_describes_them(typed, store, runs, table):
    done = typed("-m", *table, "data.label=größe #1,<b>x", "data.name=mine", "sweep.models=none")
    assert done.returncode == 0, done.stderr
    assert 'data.label="größe #1"' in done.stdout
    assert 'data.label="<b>x"' in done.stdout
    (parent,) = [run for run in runs(store, "mine") if run.info.run_name.startswith("sweep")]
    note = parent.data.tags["mlflow.note.content"]
    assert "größe" in note or "x&#34;" in note
    assert "<b>" not in note

"""The notebook of the documentation does what it says."""

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


@pytest.mark.long
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path, monkeypatch):
    """Long, as it starts a Spark of its own and runs a sweep."""
    import nbformat
    from nbclient import NotebookClient

    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = ["".join(output.get("text", output.get("data", {}).get("text/plain", "")) for output in cell.outputs)
             for cell in cells]  # fmt: skip
    assert float(shown[0].splitlines()[-1]) < 60
    assert "did you mean 'ridge'?" in shown[1]
    assert "lasso regParam=0.1" in shown[2]
    assert "prediction" in shown[-1]

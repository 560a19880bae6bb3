"""Files as people have them: what `cases.yaml` says of each is what comes of it."""

import shlex
from pathlib import Path

import pytest
import yaml

from experiments import ExperimentError, load
from experiments.experiment import Alone, run
from experiments.terminal.progress import Progress

HERE = Path(__file__).parent
CASES = yaml.safe_load((HERE / "cases.yaml").read_text())


class Unsaved(Alone):
    """A run whose model nobody asks for; it remembers what the others would be told."""

    logs_models = False


class Heard(Progress):
    """A progress that keeps the warnings."""

    def __init__(self):
        super().__init__("case")
        self.warnings = []

    def warn(self, warnings):
        self.warnings += warnings


def test_every_file_has_its_case():
    assert {case["file"] for case in CASES} == {path.name for path in (HERE / "cases").iterdir()}


@pytest.fixture(scope="module")
def store(new_store, tmp_path_factory):
    return new_store(tmp_path_factory.mktemp("cases"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join([case["file"], *case.get("words", [])]))
def test_a_file_of_somebody_s_becomes_what_is_expected_of_it(spark, store, cluster_words, case):
    path = str(HERE / "cases" / case["file"])
    words = ["data=table", f"data.path={path}", *case.get("words", [])]
    words += [word for word in ("data.label=y", "model=ridge") if not any(word.split("=")[0] + "=" in w for w in words)]
    checked(case, [*words, *cluster_words, f"tracking.uri={store}", "registry=none"])


def checked(case, words):
    heard = Heard()
    if "says" in case:
        with pytest.raises(ExperimentError) as caught:
            run(load(words), progress=heard, around=Unsaved())
        said = str(caught.value)
        assert case["says"] in said
        for word in case.get("then", []):
            assert word in said or shlex.quote(word) in said  # it can be pasted
        if "then" in case:
            keys = [word.split("=")[0] for word in case["then"]]
            kept = [word for word in words if word.split("=")[0] not in keys]
            checked(case["after"], [*kept, *case["then"]])
        return
    result = run(load(words), progress=heard, around=Unsaved())
    for name, least in case.get("least", {}).items():
        assert result.metrics[name] >= least
    for name, most in case.get("most", {}).items():
        assert result.metrics[name] <= most
    for name, value in case.get("metrics", {}).items():
        assert result.metrics[name] == pytest.approx(value)
    assert case.get("warns", "") in " ".join(heard.warnings)
    looked_into(case, result.run_id, words)


def looked_into(case, run_id, words):
    import pandas as pd
    from mlflow.tracking import MlflowClient

    if not {"features", "coefficients", "classes"} & case.keys():
        return
    client = MlflowClient(
        next(word.removeprefix("tracking.uri=") for word in words if word.startswith("tracking.uri="))
    )
    table = "confusion_matrix" if "classes" in case else "coefficients"
    rows = pd.read_csv(client.download_artifacts(run_id, f"{table}.csv"), dtype=str)
    if "classes" in case:
        assert sorted(set(rows["true"])) == case["classes"]
    if "features" in case:
        assert case["features"] in set(rows["feature"])
    for name, value in case.get("coefficients", {}).items():
        assert float(rows.set_index("feature")["coefficient"][name]) == pytest.approx(value, abs=2e-4)

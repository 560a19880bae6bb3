"""Every command that README shows is run, in the order and the spelling in which it stands there."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

README = Path(__file__).parents[2] / "README.md"
# What installs, what this very run is, and what does not end by itself.
NOT_RUN = {"pip install uv", "source .venv/bin/activate", "mlflow ui"}


def blocks():
    """The indented blocks: files, which begin with a comment that is their path, and commands."""
    found = re.findall(r"(?:^ {4}.*\n)+", README.read_text(), re.MULTILINE)
    texts = [re.sub("^ {4}", "", block, flags=re.MULTILINE) for block in found]
    texts = [text for text in texts if not text.startswith("import ")]  # test_python_of_readme
    files = {text.splitlines()[0].removeprefix("# "): text for text in texts if text.startswith("# ")}
    commands = [line for text in texts if not text.startswith("# ") for line in text.splitlines()]
    return files, commands


FILES, COMMANDS = blocks()
# Of a cluster, which test_clusters.py starts.
OF_CLUSTER = [line for line in COMMANDS if re.search(r"\bhead\b", line)]
OURS = [line for line in COMMANDS if line.startswith("experiments ") and line not in OF_CLUSTER]
# Networks, tuning and sweeps, each of which takes ten seconds or more.
SLOW = re.compile(r"model=keras|tuned_forest|tuning=|experiments -m|model=random_forest data=wine$")
OF_MLFLOW = [line for line in COMMANDS if "mlflow run . " in line]


def test_readme_shows_what_these_tests_know():
    assert {*COMMANDS} == {*OURS, *OF_CLUSTER, *OF_MLFLOW, *NOT_RUN}
    assert len(OF_CLUSTER) == 4
    assert len(OURS) >= 25
    assert len(OF_MLFLOW) == 2
    assert len(FILES) == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a reader types one command after the other."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "houses.csv").write_text("size,price\n" + "".join(f"{i},{5 * i + i % 3}\n" for i in range(100)))
    shutil.copytree(README.with_name("examples"), folder / "examples")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def store(folder, new_store):
    return new_store(folder)


@pytest.mark.parametrize(
    "line", [pytest.param(line, marks=[pytest.mark.long] if SLOW.search(line) else []) for line in OURS]
)
def test_a_command_of_readme_works(line, typed, store, runs, folder, monkeypatch, request):
    monkeypatch.chdir(folder)
    program, *words = shlex.split(line)
    assert program == "experiments"
    if "127.0.0.1:5000" in line:
        served = request.getfixturevalue("shared_server")
        words = [word.replace("http://127.0.0.1:5000", served) for word in words]
    done = typed(*words)
    assert done.returncode == 0, done.stderr
    if words == ["models"]:
        assert "model=ridge" in done.stdout
    if "model=keras_regressor" in words:
        epochs = re.findall(r"fit · epoch (\d+) of 30 · loss \S+ mae", done.stderr)
        assert epochs == [str(epoch) for epoch in range(1, 31)]
        run = runs(store, "diabetes")[0]
        assert run.info.status == "FINISHED"
        assert run.data.metrics["r2"] > 0.3
        assert "keras_regressor" in run.info.run_name


def test_few_commands_of_readme_are_slow():
    assert 0 < sum(bool(SLOW.search(line)) for line in OURS) < len(OURS) / 3


@pytest.mark.long
def test_python_of_readme_scores_what_a_command_before_it_has_fitted(command, folder, monkeypatch, typed, store):
    """Long, as it starts a Spark of its own."""
    blocks = re.findall(r"(?:^ {4}.*\n)+", README.read_text(), re.MULTILINE)
    (block,) = [block for block in blocks if "import " in block]
    monkeypatch.chdir(folder)
    (fitting,) = [line for line in OURS if "data.name=flats" in line]
    if not MlflowClient(store).search_registered_models("name = 'flats'"):  # where this test runs alone
        assert typed(*shlex.split(fitting)[1:]).returncode == 0
    *lines, last = re.sub("^ {4}", "", block, flags=re.MULTILINE).strip().splitlines()
    code = "\n".join([*lines, f"print({last})"])
    done = command("bash", "-c", f"cd {shlex.quote(str(folder))} && python -c {shlex.quote(code)}")
    assert done.returncode == 0, done.stderr
    assert "prediction" in done.stdout


# Two lines for one thing, each a project that MLflow starts: one is left to a hand.
@pytest.mark.parametrize("line", [OF_MLFLOW[0], pytest.param(OF_MLFLOW[1], marks=pytest.mark.by_hand)])
@pytest.mark.long
def test_mlflow_run_uses_the_run_it_opened(line, command, store, runs, environment):
    """Long, as MLflow starts a process for it that starts Spark."""
    environment["UV_NO_SYNC"] = "1"  # the environment of this test is not `uv run`'s to change
    environment["UV_PROJECT_ENVIRONMENT"] = environment["PATH"].split("/bin:")[0]
    named = re.search(r"--experiment-name (\S+)", line)
    experiment = named[1] if named else "mine"
    environment["MLFLOW_EXPERIMENT_NAME"] = "mine"
    done = command("bash", "-c", f"cd '{README.parent}' && {line}")
    assert done.returncode == 0, done.stderr
    (run,) = runs(store, experiment)
    assert run.info.status == "FINISHED"
    given = dict(word.split("=") for word in shlex.split(line) if re.fullmatch(r"[\w.]+=\S+", word))
    assert given
    assert given.items() <= run.data.params.items()
    assert run.data.metrics["test_rows"] > 0
    data = given.get("data", "houses")
    assert MlflowClient(store).get_model_version_by_alias(data, "candidate").run_id == run.info.run_id

"""Commands that run nothing: lists, help, what Tab offers, and what is said of a word that is no command."""

import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments import ConfigError, load
from experiments.cli import main
from experiments.config.choices import GROUPS, choices, config_folder
from experiments.config.values import flatten, plain
from experiments.tracking.store import check_store
from experiments.validation import validate

HEAVY = ("hydra", "omegaconf", "pyspark", "mlflow", "pandas", "rich")


def typed(*words):
    done = CliRunner().invoke(main, words)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("modles", "did you mean 'models'?"),
        ("comapre", "did you mean 'compare'?"),
        ("ridge", "did you mean 'model=ridge'?"),
        ("rigde", "did you mean 'model=ridge'?"),
        ("diabetes", "did you mean 'data=diabetes'?"),
        ("one_hot", "did you mean 'preprocessing=one_hot'?"),
        ("from_mlflow", "`experiments help` lists them"),
        ("train", "a run needs no command: experiments model=ridge data=diabetes"),
        ("UI", "`mlflow ui` shows the runs in a browser, `experiments compare` here"),
        ("xyzzy\x1b[31m", "`experiments help` lists them"),
    ],
)
def test_a_word_that_is_no_command_is_refused_with_the_nearest(word, said):
    done = typed(word, "-m")
    assert done.exit_code == 2
    assert done.stdout == ""
    name = word.replace("\x1b", "\\x1b")
    assert done.stderr == f"error: no such command '{name}'; {said}\n"


def test_a_choice_of_a_folder_of_ones_own_is_known_too(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("# Mine.\n")
    assert "did you mean 'model=mine'?" in typed("mine", "--config-dir", str(tmp_path)).stderr
    assert "model=mine" in typed("models", "--config-dir", str(tmp_path)).stdout


def test_help_is_a_word_too():
    done = typed("help")
    assert done.exit_code == 0
    assert done.stdout == typed("--help").stdout
    assert set(re.findall(r"^  (\w+)  ", done.stdout, re.MULTILINE)) >= {"compare", "models", "registry", "tuning"}


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_is_listed_in_whole_lines(group):
    assert (config_folder() / group).is_dir()
    done = typed("models" if group == "model" else group)
    assert done.exit_code == 0
    lines = [re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in done.stdout.splitlines()]
    assert dict(lines) == {f"{group}={name}": line for name, line in choices(group).items()}


def test_help_after_words_explains_the_choices_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = typed("model=ridge,lasso", "data=diabetes", "model.estimator.regParam=0.1", "-m", "--help")
    assert done.exit_code == 0
    assert list(tmp_path.iterdir()) == []
    explained = done.stdout
    assert re.findall(r"^(\w+=\w+)  ", explained, re.MULTILINE) == ["model=ridge", "model=lasso", "data=diabetes"]
    what, _, command = choices("model")["lasso"].partition("   ")
    assert f"model=lasso  {what}\n  as in  {command.strip()}\n" in explained
    assert "  model.threshold" not in explained  # of two classes
    assert re.search(r"model.estimator.regParam=1.0 +regularization parameter", explained)
    assert re.search(r"^also: .*model.estimator.fitIntercept", explained, re.MULTILINE)
    words = [shlex.split(line)[0] for line in explained.splitlines() if line.startswith("  model.")]
    again = load(["model=ridge", *words[: len(words) // 2]])
    assert dict(flatten(plain(again))) == dict(flatten(plain(load(["model=ridge"]))))


def test_help_on_a_choice_that_there_is_not_says_so():
    assert (
        "no choice is among 'data.positive': `experiments data=table --help`" in typed("data.positive", "--help").stdout
    )
    done = typed("model=rigde", "--help")
    assert done.exit_code == 2
    assert "did you mean 'ridge'?" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=ridge", "--dryrun"], "no such option '--dryrun'; did you mean '--dry-run'?"),
        (["--model", "ridge"], "no such option '--model'; words have no dashes: model=…"),
        (["--data.label=y"], "no such option '--data.label=y'; words have no dashes: data.label=y"),
        (["model=ridge", "preprocesing=auto"], "did you mean 'preprocessing'?"),
        (["data.path=weather.csv"], "got one of data=table; add data=table"),
        (["model=ridge,lasso"], "add -m to run each (in Python: experiments.sweep)"),
    ],
)
def test_a_wrong_word_comes_with_the_right_one(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = typed(*words)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize("uri", ["file:///tmp/runs", "/tmp/runs", "runs"])
def test_a_folder_of_files_is_no_store(uri):
    with pytest.raises(ConfigError, match=r"must be a server \(http://…\) or a database .*tracking.folder=…"):
        check_store(load([f"tracking.uri={uri}"]).tracking)


def test_several_threads_compose_at_once():
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda value: load([f"model.estimator.regParam={value}"]), range(1, 25)))
    assert [config.model.estimator["regParam"] for config in made] == list(range(1, 25))


@pytest.mark.parametrize("key", ["spark.driver.memory", "spark.executor.memory"])
@pytest.mark.parametrize(
    ("typed_value", "way_out"),
    [("8", "8g"), ("16", "16g"), ("100", "4g"), ("100m", "4g"), ("0", "4g"), ("1024k", "4g")],
)
def test_too_little_memory_is_refused_before_java_dies_of_it(key, typed_value, way_out):
    with pytest.raises(ConfigError) as refused:
        validate(load([f"cluster.conf.{key}={typed_value}"]))
    (problem,) = refused.value.problems
    (spelt,) = re.findall(r"write (\S+)$", problem)
    assert spelt == f"cluster.conf.{key}={way_out}"
    validate(load([spelt]))


@pytest.mark.parametrize("value", ["8g", "450m", "8192", "2GB", "500000k"])
def test_enough_memory_is_left_alone(value):
    validate(load([f"cluster.conf.spark.driver.memory={value}"]))


def complete(shell, *words):
    """What the shell is answered, each with its type in bash."""
    environment = {
        **os.environ,
        "_EXPERIMENTS_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": shlex.join(["experiments", *words]) if words[-1] else f"experiments {' '.join(words)}",
        "COMP_CWORD": str(len(words)),
    }
    program = Path(sys.executable).with_name("experiments")
    return subprocess.run([program], env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


# Bash parts words at `=` and replaces what is behind it.
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["model", "=", "ri"], ["ridge"]),
        (["model=ri"], ["model=ridge"]),
        (["model", "=", "ridge,la"], ["ridge,lasso"]),
        (["preprocessing", "=", "[impute,sc"], ["[impute,scale"]),
        (["validate", "data", "=", "d"], ["diabetes", "digits"]),
        (["seed", "=", "1", "tuning", "=", "cross"], ["cross_validation"]),
        (["compa"], ["compare"]),
        (["registry=n"], ["registry=none"]),
        (["seed=1", "dat"], [f"data={name}" for name in choices("data")]),
    ],
)
def test_bash_is_offered_commands_and_choices(words, offered):
    assert complete("bash", *words) == [f"plain,{each}" for each in offered]


def test_zsh_is_offered_choices_with_what_they_are():
    assert complete("zsh", "model=ri") == ["plain", "model=ridge", "Linear regression with an L2 penalty."]
    assert {"models", "model=", "registry", "registry="} <= set(complete("zsh", ""))


def test_a_real_bash_completes(tmp_path):
    script = (
        'eval "$(_EXPERIMENTS_COMPLETE=bash_source experiments)"\n'
        "COMP_WORDS=(experiments model = ri); COMP_CWORD=3\n"
        '_experiments_completion experiments\necho "${COMPREPLY[*]}"\n'
    )
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout == "ridge\n", done.stderr


def test_help_lists_and_completion_wait_for_no_import():
    code = (
        "import sys; from experiments.cli import main\n"
        "from experiments.terminal.completion import complete_word\n"
        "import click; complete_word(click.Context(main), None, 'model=r')\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

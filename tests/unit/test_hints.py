"""Every hint that the product prints and that looks like words of a command is one: it composes in a shell."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from experiments import load
from experiments.cli import HELP, main
from experiments.config.choices import GROUPS, choices, config_folder
from experiments.config.quoting import parsed
from experiments.config.words import open_override
from experiments.jobs import split_words

SOURCE = Path(__file__).parents[2] / "src" / "experiments"
# What stands in a hint's braces when it is printed, and for an ellipsis what a person would put there.
SAMPLES = {
    "data.format": "csv",
    "data.name": "iris",
    "config.data.name": "iris",
    "config.model.name": "ridge",
    "config.tuning.method.value": "cross_validation",
    "method.value": "cross_validation",
    "settings.method.value": "tpe",
    "HELD_OUT": "_held_out",
    "meant": "8g",
    "taken[0]": "prediction",
    "bad[0]": "a.b",
    "renamed": "a_b",
    "names": "a b,c",
    "next(iter(wrong))": "day",
    "ranks": "2",
    "wide": "",
    "learnt": "",
    "cluster/checks.py name": "driver_memory",
    "sweeps/plan.py name": "trials",
    "tuning/grid.py key": "model.estimator.regParam",
    "tracking/registry.py alias": "better",
    "profile/command.py model": "kmeans",
    "sweep=…": "sweep=tpe",
    "sweep.trials=…": "sweep.trials=3",
}
ANY = "x"
# Words that stand together in one text.
CASE = "'model=ridge seed=1,2'"
_HINT = re.compile(r"'[\w.]+=[^']*'|(?<![\w.'%-])[a-z][\w.]*='[^']*'|(?<![\w.'%-])[a-z][\w.]*=[^\s;)'`=]+")
_COMMAND = re.compile(r"`experiments ([^`]+)`")


def sentences():
    """File and text of each string that could be printed, with samples in its braces."""
    for path in sorted(SOURCE.rglob("*.py")):
        name, tree = path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text())
        left_out = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                left_out |= {id(part) for part in ast.walk(node) if part is not node}
            text = text_of(node, name) if id(node) not in left_out else ""
            if re.search(r"[a-z],? [a-z]", text) or text.startswith("'"):
                yield name, text


def text_of(node, name):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return ""
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(part.value)
        else:
            inner = ast.unparse(part.value)
            parts.append(SAMPLES.get(f"{name} {inner}", SAMPLES.get(inner, ANY)))
    return "".join(parts)


def hints():
    """The word of each hint; of a person's own text, such as `got 'a=b'`, there is none in the source."""
    found = set()
    for _, text in sentences():
        if text == HELP:
            continue
        for hint in _HINT.findall(_COMMAND.sub("", text)):
            word = hint.rstrip(".,:")
            word = SAMPLES.get(word, word.replace("…", ANY))
            key = word.strip("'").partition("=")[0]
            if key.split(".")[0] in (*GROUPS, "seed", "allowed_packages", "hydra") or is_hint_on(text, hint):
                found.add(word)
    return sorted(found)


def is_hint_on(text, hint):
    """Whether the sentence says to do so, whatever the key."""
    return re.search(rf"\b(set|add|use|write|choose) {re.escape(hint)}", text) is not None


def commands():
    """The words of each command."""
    found = {command for _, text in sentences() for command in _COMMAND.findall(text)}
    found |= {*re.findall(r"^  experiments (.*?)(?:   |$)", HELP, re.MULTILINE)}
    for path in config_folder().glob("*/*.yaml"):
        for line in choices(path.parent.name).values():
            found |= {*re.findall(r"   experiments (.*)$", line)}
    return sorted(found)


def compose(word):
    """What one word of a shell is, and that it composes on the data sets that have its key."""
    (typed,) = shlex.split(word)
    read = parsed(open_override(typed))
    assert read is not None, "it cannot be read"
    assert not read.is_sweep_override(), "it is a sweep"
    of_tables = ["data=table", typed]
    first, other = (of_tables, [typed]) if typed.startswith("data.") else ([typed], of_tables)
    try:
        load(first)
    except Exception:
        load(other)


def test_there_are_hints():
    assert len(hints()) > 30
    assert len(commands()) > 40


@pytest.mark.parametrize("word", hints())
def test_a_hint_composes_as_it_stands(word, planned):
    if word == CASE:
        assert planned(f"sweep.cases=[{word}]").size == 2
        return
    compose(word)


@pytest.mark.parametrize("command", commands())
def test_a_command_in_a_hint_is_one(command, planned, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "houses.csv").write_text("price,size\n1,2\n")
    options, words = split_words(shlex.split(command.replace("…", "")))
    if words and words[0] in [*main.commands, "help"]:
        return
    if "-m" in options or "--dry-run" in options:
        assert planned(*words).size > 1
    else:
        load(words)
    assert set(options) <= {"-m", "--dry-run", "--help", "--cfg", "job"}

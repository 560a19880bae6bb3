"""A first word that is neither a setting nor a command: what was meant by it. Nothing heavy is imported."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence

from experiments.config.choices import GROUPS, choices
from experiments.errors import ConfigError, override, suggest
from experiments.terminal.completion import folder_of

_FILES = (".csv", ".tsv", ".parquet", ".json")
_RUN = "a run needs no command: experiments model=ridge data=diabetes"
_RUNS = "`experiments compare` shows the runs, `mlflow ui` all that they recorded"
_PREDICT = (
    'a registered model scores from Python, experiments.load_model("models:/NAME@candidate").predict(frame), or by '
    "`mlflow models predict -m models:/NAME@candidate --env-manager local -t csv -i ROWS.csv -o ANSWERS.json` "
    "(-t json where codes are texts, which a CSV does not say)"
)
_SEARCH = (
    "a grid for one model is tuning=cross_validation 'tuning.grid.model.estimator.regParam=[0.1,1]'; with -m values "
    "with commas between them are a run each"
)
_CONFIG = (
    "`experiments model=ridge --help` explains a config, `experiments model=ridge --cfg job` shows the whole of it"
)
_TABLE = "`experiments profile data=table data.path=FILE` looks at a table, and writes its config with --to"
# What other programs call what is done here in another way.
_ELSEWHERE = {
    **dict.fromkeys(("train", "fit", "start", "execute", "launch"), _RUN),
    **dict.fromkeys(("ls", "list", "runs", "history", "log", "logs", "best", "results", "status"), _RUNS),
    **dict.fromkeys(("ui", "dashboard", "show"), "`mlflow ui` shows the runs in a browser, `experiments compare` here"),
    **dict.fromkeys(("predict", "score", "transform", "apply"), _PREDICT),
    **dict.fromkeys(
        ("serve", "deploy"), "`mlflow models serve -m models:/NAME@candidate --env-manager local` answers over HTTP"
    ),
    "report": "a sweep leaves report.html among its files; `experiments compare` shows runs side by side, and "
    "`experiments profile … --html FILE` makes a page of a table",
    **dict.fromkeys(("multirun", "grid", "tune", "search", "optimize", "hpo"), _SEARCH),
    **dict.fromkeys(
        ("resume", "continue", "retry"), "the command of the sweep once more runs only what is missing or failed"
    ),
    **dict.fromkeys(("check", "test", "lint", "dry-run"), "`experiments validate …` checks a config without running"),
    **dict.fromkeys(("config", "show-config", "explain", "info"), _CONFIG),
    **dict.fromkeys(("init", "new", "describe", "inspect", "eda"), _TABLE),
    **dict.fromkeys(
        ("register", "promote"),
        "each run registers its model under its data's name, and `candidate` moves to it if it is not worse; "
        "registry.alias=champion names another alias",
    ),
}


def refuse_unknown(words: Sequence[str], commands: Iterable[str]) -> None:
    """Take a first word that is neither an override nor an option for a command.

    Raises:
        ConfigError: there is none of the name; with the nearest, the choice that is called so, or what does it here.
    """
    if not words or "=" in words[0] or words[0].startswith(("-", "~")):
        return
    word, folder = words[0], folder_of(words)
    if len(words) > 1 and words[1].startswith("="):
        raise ConfigError([f"words must be of the form key=value, without blanks, got '{' '.join(words[:3])}'"])
    named = {choice: f"{group}={choice}" for group in reversed(GROUPS) for choice in choices(group, folder)}
    named |= {command: command for command in commands}
    if word not in named and (word.endswith(_FILES) or os.path.isfile(word)):
        is_there = "" if os.path.isfile(word) else ", and no such file"
        way_out = f"a file is read by data=table {override('data.path', word)}"
        raise ConfigError([f"no such command '{word}'{is_there}; {way_out}"])
    if word not in named and word.lower() in _ELSEWHERE:
        raise ConfigError([f"no such command '{word}'; {_ELSEWHERE[word.lower()]}"])
    near = [word] if word in named else difflib.get_close_matches(word.lower(), named, n=1)
    way_out = f"did you mean '{named[near[0]]}'?" if near else "`experiments help` lists them"
    raise ConfigError([f"no such command '{word}'; {way_out}"])


def instead_of_option(option: str, known: Sequence[str]) -> str:
    """What to write for an option that there is not: many programs have dashes before what is a word here."""
    word = option.lstrip("-")
    if "=" in word or word.partition(".")[0] in (*GROUPS, "seed"):
        return f"; words have no dashes: {word if '=' in word else f'{word}=…'}"
    return suggest(option, known)

"""What the choices among a command's words are, and how they are set: help that runs nothing."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import is_dataclass

from experiments.config.choices import GROUPS, choices
from experiments.config.compose import load
from experiments.config.quoting import as_text
from experiments.config.schema import Config, Task
from experiments.config.values import flatten, plain
from experiments.errors import ConfigError, wrong_choice
from experiments.pipeline.stages import stages_of
from experiments.terminal.completion import folder_of
from experiments.terminal.screen import say

# Groups whose settings are parameters of Spark's stages.
STAGED = ("model", "preprocessing")
LONGEST = 160


def explain_words(words: Sequence[str]) -> bool:
    """Each choice of a group among the words: its description, and its settings as words that can be changed.

    Returns:
        Whether there is one.

    Raises:
        ConfigError: a choice that there is not.
    """
    folder, is_explained = folder_of(words), False
    for word in words:
        group, equals, value = word.partition("=")
        if not equals or group not in GROUPS:
            continue
        offered = choices(group, folder)
        for choice in value.strip("[]").split(","):
            if choice.strip() not in offered:
                raise ConfigError([wrong_choice(group, choice, offered)])
            _explain(group, choice.strip(), offered[choice.strip()], folder)
            is_explained = True
    return is_explained


def _explain(group: str, choice: str, line: str, folder: str | None) -> None:
    what, _, command = line.partition("   ")
    say("")
    say(f"{group}={choice}  {what}")
    if command:
        say(f"  as in  {command.strip()}")
    config = load([f"{group}={choice}"], folder)
    meanings, of_stages = comments_of(getattr(config, group)), _stages(config) if group in STAGED else {}
    for key, value in flatten(plain(config)[group], group):
        if key == "model.threshold" and config.model.task is not Task.classification:
            continue
        # A name is not set by a word, and MISSING or a secret cannot be shown.
        if key != f"{group}.name" or group in ("data", "registry"):
            meaning = meanings.get(key.removeprefix(f"{group}."), "") or of_stages.get(key, "")
            say(f"  {_word(key, value):<34}  {meaning}".rstrip())
    others = [key for key in of_stages if key.startswith(f"{group}.")]
    others = [key for key in others if key not in dict(flatten(plain(config)[group], group))]
    if others:
        say(f"also: {' '.join(others)}")


def _stages(config: Config) -> dict[str, str]:
    """What each parameter of the stages means, as Spark says it, by the key that sets it."""
    from pyspark.ml.param import Param

    found: dict[str, str] = {}
    try:
        stages = stages_of(config)
    except ConfigError:  # which a run says, and help does not depend on
        return found
    for stage in stages:
        for name in dir(stage.type):
            param = getattr(stage.type, name, None)
            if isinstance(param, Param) and not name.endswith(("Col", "Cols")):
                said = " ".join(param.doc.split())
                found[f"{stage.key}.{name}"] = said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
    return found


def comments_of(settings: object) -> dict[str, str]:
    """What each field of typed settings means: the comments that stand before it in the schema."""
    if not is_dataclass(settings):  # as preprocessing, whose stages have names of their own
        return {}
    found: dict[str, str] = {}
    for kind in reversed(inspect.getmro(type(settings))[:-1]):
        said: list[str] = []
        for line in map(str.strip, inspect.getsource(kind).splitlines()):
            if line.startswith("# "):
                said.append(line.removeprefix("# "))
            elif name := re.match(r"(\w+): ", line):
                found[name[1]] = " ".join(said)
                said = []
    return found


def _word(key: str, value: object) -> str:
    """A setting as it is typed in a shell."""
    if isinstance(value, str):
        typed = as_text(key, value)
        return shlex.quote(typed) if typed else f"{key}=…"
    return shlex.quote(f"{key}={json.dumps(value, ensure_ascii=False)}")

"""What a shell offers where Tab is pressed: the choices of the config's groups. Nothing heavy is imported."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

from experiments.config.choices import GROUPS, choices


def complete_word(ctx: click.Context, _: click.Parameter | None, incomplete: str) -> list[CompletionItem[str]]:
    """The words that begin so: of one group its choices, else what the groups are called."""
    group, equals, value = incomplete.partition("=")
    groups = [name for name in GROUPS if name == group or (not equals and name.startswith(group))]
    if len(groups) != 1:
        return [CompletionItem(f"{name}=") for name in groups]
    begun = re.sub(r"[^,\[]*$", "", value)  # of several choices those that are typed
    return [
        CompletionItem(f"{groups[0]}={begun}{name}", help=line.split("   ")[0])
        for name, line in choices(groups[0], folder_of(ctx.params.get("words") or ())).items()
        if f"{begun}{name}".startswith(value)
    ]


def folder_of(words: Sequence[str]) -> str | None:
    """The folder that `--config-dir` names among words."""
    for place, word in enumerate(words):
        if word in ("--config-dir", "-cd"):
            return words[place + 1] if place + 1 < len(words) else None
        if word.startswith("--config-dir="):
            return word.partition("=")[2]
    return None


class _WholeWords(BashComplete):
    """Bash parts words at `=`, unless it is told otherwise, and replaces what stands behind it alone."""

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self._parted = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        words: list[str] = []
        follows = False
        for part in (*args, incomplete):
            if words and (part == "=" or follows):
                words[-1] += part
            else:
                words.append(part)
            follows = part == "="
        if len(words) <= len(args):
            self._parted = words[-1].partition("=")[0] + "="
        return words[:-1], words[-1]

    def format_completion(self, item: CompletionItem[str]) -> str:
        return f"{item.type},{str(item.value).removeprefix(self._parted)}"


add_completion_class(_WholeWords, "bash")

"""The one place where lines and tables reach a terminal: nothing of a user's is markup there, or a control."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.terminal.harmless import harmless

# Of lines that go into a file or to another program, which are never wrapped.
_WIDEST = 100_000


def screen(*, stderr: bool = False) -> Console:
    """Standard output, or standard error."""
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = _WIDEST
    return console


def say(text: object, console: Console | None = None) -> None:
    """One line, as it is."""
    (console or screen()).print(Text(harmless(text)), soft_wrap=True)


def show_table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], title: str = "", folded: int | Sequence[int] = 0
) -> None:
    """A table on standard output; without lines between its cells where other programs read it.

    Args:
        headers: of its columns; with none there is no line for them.
        folded: a column, or several, whose long texts are wrapped and never cut.
    """
    console = screen()
    if title and not console.is_terminal:
        say(title, console)
    table = Table(title=Text(harmless(title)) if title and console.is_terminal else None, show_header=any(headers))
    table.box = box.HEAVY_HEAD if console.is_terminal and any(headers) else None
    wrapped = (folded,) if isinstance(folded, int) else folded
    for number, header in enumerate(headers):
        table.add_column(Text(harmless(header)), overflow="fold" if number in wrapped else "ellipsis")
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))
    console.print(table)

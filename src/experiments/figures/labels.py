"""Long names as figures and tables show them, where there is room for a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def shortened(names: Sequence[str], longest: int) -> list[str]:
    """The same names, each within so many signs, that still differ where the names do.

    A long name loses its middle; names that would be alike then lose what they share, as in `…nsor number 12 in the…`.
    """
    texts = _told_apart({name: _without_middle(name, longest) for name in names}, longest)
    shown: dict[str, str] = {}
    for name, text in texts.items():
        number, unique = len(shown), text
        while unique in shown:  # names of one sign, say, of different lengths
            number += 1
            mark = f" ({number})"
            unique = text[: longest - len(mark)] + mark
        shown[unique] = name
    texts = {name: text for text, name in shown.items()}
    return [texts[name] for name in names]


def _told_apart(texts: Mapping[str, str], longest: int) -> dict[str, str]:
    """Texts for the names, where those of some are alike others for these."""
    found = dict(texts)
    for text in dict.fromkeys(texts.values()):
        alike = [name for name in texts if texts[name] == text]
        if len(alike) == 1:
            continue
        start = _shared(alike)
        end = _shared([name[start:][::-1] for name in alike])
        parts = {name: _around(name, start, end, longest) for name in alike}
        found |= _told_apart(parts, longest) if len({*parts.values()}) > 1 else parts
    return found


def _shared(names: Sequence[str]) -> int:
    """With how many equal signs all begin."""
    columns = enumerate(zip(*names, strict=False))
    return next((at for at, signs in columns if len({*signs}) > 1), min(map(len, names)))


def _without_middle(name: str, longest: int) -> str:
    half = longest // 2 - 1
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def _around(name: str, start: int, end: int, longest: int) -> str:
    """A name but for its first and last signs, and of these as many as there is room for."""
    core = _without_middle(name[start : len(name) - end], longest - 2)
    room = longest - 2 - len(core)
    before = min(start, room // 2)
    after = min(end, room - before)
    core = name[start - before : start] + core + name[len(name) - end : len(name) - end + after]
    return f"{'…' if before < start else ''}{core}{'…' if after < end else ''}"

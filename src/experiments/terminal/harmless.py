"""What a user or a library has named or said, so that no terminal and no page obeys it."""

from __future__ import annotations

import re
import unicodedata

from experiments.redaction import redact_text

# Joiners are part of words and pictures; all other controls, directions and halves of characters are shown as escapes.
_JOINERS = "\u200c\u200d"
_NOT_SHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")
_NOT_MARKDOWN = re.compile(r"[^\W_]|[ ,]|(?<=\d)\.(?=\d)|(?<=[^\W_])[-_=](?=[^\W_])")


def harmless(text: object, *, lines: bool = False) -> str:
    """A text with its control characters as escapes, so that they can be seen, and secrets out.

    Args:
        lines: leave line breaks and tabs, of a text that consists of several lines.
    """
    kept = _JOINERS + ("\n\t" if lines else "")
    return "".join(char if char in kept else _visible(char) for char in redact_text(str(text)))


def _visible(char: str) -> str:
    if unicodedata.category(char) not in _NOT_SHOWN:
        return char
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def markdown(text: object) -> str:
    """The same where Markdown and HTML are read: it stays letters, and no link, picture or mark."""
    shown = harmless(text)
    return "".join(char if _NOT_MARKDOWN.match(shown, place) else f"&#{ord(char)};" for place, char in enumerate(shown))

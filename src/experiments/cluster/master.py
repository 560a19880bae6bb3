"""What the name of a master says, without Spark."""

from __future__ import annotations

import os
import re


def local_cores(master: str) -> int | None:
    """Cores of a local master, None for a cluster."""
    match = re.fullmatch(r"local(?:\[(\*|\d+)(?:,\d+)?\])?", master)
    if match is None:
        return None
    written = match.group(1) or "1"
    return (os.cpu_count() or 1) if written == "*" else int(written)

"""What the name of a master says, without Spark."""

from __future__ import annotations

import os
import re
import socket

SECONDS_TO_ANSWER = 5


def local_cores(master: str) -> int | None:
    """Cores of a local master, None for a cluster."""
    match = re.fullmatch(r"local(?:\[(\*|\d+)(?:,\d+)?\])?", master)
    if match is None:
        return None
    written = match.group(1) or "1"
    return (os.cpu_count() or 1) if written == "*" else int(written)


def unreachable(master: str) -> str | None:
    """Why none of the hosts of a standalone cluster's master answers; None where one does, or of another kind."""
    if not master.startswith("spark://"):
        return None
    reasons = []
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER):
                return None
        except (OSError, ValueError) as error:
            reasons.append(f"{address}: {getattr(error, 'strerror', None) or error}")
    return "; ".join(reasons)

"""What can be known to be wrong with a cluster's settings before Java starts."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Spark's own law, as its own start says it: below it ends.
_LEAST_BYTES = 471_859_200
_BYTES = {"b": 1, "k": 1 << 10, "": 1 << 20, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def check_cluster(settings: Mapping[str, str]) -> list[str]:
    """A sentence for each of Spark's settings with which it does not start.

    Args:
        settings: as Spark takes them.
    """
    problems = []
    for key in ("spark.driver.memory", "spark.executor.memory"):
        value = settings.get(key, "").strip().lower()
        read = re.fullmatch(r"(\d+)([bkmgtp]?)b?", value)
        if read is None or int(read[1]) * _BYTES[read[2]] >= _LEAST_BYTES:
            continue
        got = f"'{value}'" if read[2] else f"'{value}', which Spark reads as MiB"
        meant = f"{value}g" if not read[2] and 0 < int(value) <= 64 else "4g"
        problems.append(f"cluster.conf.{key} must be 450m or more, got {got}; write cluster.conf.{key}={meant}")
    return problems

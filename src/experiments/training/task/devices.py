"""Which GPUs a rank may see."""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
from collections.abc import Sequence
from pathlib import Path

# The environment variable by which a process is told.
VISIBLE = "CUDA_VISIBLE_DEVICES"


def tensorflow_package() -> str:
    """Name under which TensorFlow is installed."""
    for name in ("tensorflow", "tensorflow-cpu"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version(name)
            return name
    return "tensorflow"


def visible_gpus(addresses: Sequence[str], visible: str | None, gpus: int) -> list[str]:
    """GPUs of a task, as `CUDA_VISIBLE_DEVICES` names them; all of its machine where Spark does not share them out.

    Args:
        addresses: what Spark has given the task (`spark.task.resource.gpu.amount`); none if it does not know of GPUs.
        visible: `CUDA_VISIBLE_DEVICES` of the task, which lists what a container was given; None if unset.
        gpus: of the machine, or the container.
    """
    listed = None if visible is None else [each.strip() for each in visible.split(",") if each.strip()]
    if not addresses:
        return [str(number) for number in range(gpus)] if listed is None else listed
    # A container that was given as many as its task has numbers them anew, whatever Spark calls them.
    if not listed or len(listed) == len(addresses):
        return list(addresses) if listed is None else listed
    places = [int(address) for address in addresses if address.isdigit()]
    if len(places) == len(addresses) and all(place < len(listed) for place in places):
        return [listed[place] for place in places]
    return listed


def count_gpus() -> int:
    """GPUs of NVIDIA on this machine that TensorFlow can use, by their device files: no driver is loaded for it."""
    if tensorflow_package() == "tensorflow-cpu":
        return 0
    return sum(1 for path in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name))

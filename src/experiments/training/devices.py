"""Which GPUs a rank may see."""

from __future__ import annotations

from collections.abc import Sequence


def visible_gpus(addresses: Sequence[str], visible: str | None, local_rank: int, local_size: int, gpus: int) -> str:
    """What `CUDA_VISIBLE_DEVICES` of a rank must be; empty for none.

    Args:
        addresses: what Spark has given the task (`spark.task.resource.gpu.amount`); none if it does not know of GPUs.
        visible: `CUDA_VISIBLE_DEVICES` of the task, which counts what a container was given; None if unset.
        local_rank, local_size: among the ranks of this machine.
        gpus: on this machine, or in this container.

    Raises:
        ValueError: more ranks than GPUs, where Spark does not share them out.
    """
    listed = [each.strip() for each in visible.split(",") if each.strip()] if visible is not None else None
    if listed == []:
        return ""
    if addresses:
        if listed is None:
            return ",".join(addresses)
        # A container that was given as many as the task has numbers them anew, whatever Spark calls them.
        if len(listed) == len(addresses):
            return ",".join(listed)
        places = [int(address) for address in addresses if address.isdigit()]
        if len(places) == len(addresses) and all(place < len(listed) for place in places):
            return ",".join(listed[place] for place in places)
        return ",".join(listed)
    there = listed if listed is not None else [str(number) for number in range(gpus)]
    if not there:
        return ""
    if local_size > len(there):
        raise ValueError(
            f"numWorkers must be at most one for each GPU, got {local_size} ranks on a machine with {len(there)}; "
            "lower it, or have Spark share them out (spark.task.resource.gpu.amount)"
        )
    return there[local_rank]


def count_gpus() -> int:
    """GPUs of NVIDIA on this machine, by their device files: no driver is loaded for it."""
    import re
    from pathlib import Path

    return sum(1 for path in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name))

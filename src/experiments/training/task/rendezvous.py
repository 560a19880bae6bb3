"""How the tasks of one training find each other, inside the one barrier job, and agree that they can train together."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from experiments.training.spec import Seat

PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "horovod")


@dataclass(frozen=True)
class Member:
    """What each task says of itself.

    Attributes:
        shard: its partition.
        host: address at which others reach it.
        machine: name of the machine, or the container: ranks of one share its GPUs.
        rows: of both sides.
        digest: of its rows.
        versions: of what must be alike.
        gpus: of its machine, where Spark does not share them out.
        ports: at which it is found: `ranks` (in the ring), and of partition 0 `alarm` and `server` (Horovod).
        key: its public key in the ring.
        problem: why it cannot train, or empty.
    """

    shard: int
    host: str
    machine: str
    rows: int
    digest: int
    versions: dict[str, str]
    gpus: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    key: str = ""
    problem: str = ""

    @property
    def address(self) -> str:
        """Where the ring finds it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.ports['ranks']}"


@dataclass(frozen=True)
class Place:
    """Where a rank stands among the others.

    Attributes:
        rank, size: among all.
        local_rank, local_size: among those of its machine.
        cross_rank, cross_size: its machine among the machines that have such a local rank.
        members: in the order of ranks.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    cross_rank: int
    cross_size: int
    members: list[Member]


def versions() -> dict[str, str]:
    """Of Python and of the packages by which training may differ."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def machine() -> str:
    """A container counts as a machine, as it sees its own processes and devices only."""
    return os.environ.get("CONTAINER_ID") or socket.gethostname()


def disagreement(members: Sequence[Member], ranks: int, rows: int) -> str:
    """Why these tasks cannot train together, the same sentence on all of them, or nothing."""
    problems = dict.fromkeys(member.problem for member in members if member.problem)
    if problems:
        return "; ".join(problems)
    if len(members) != ranks:
        return f"Spark must start {ranks} tasks, one for each rank, but started {len(members)}"
    found = sum(member.rows for member in members)
    if found != rows:
        return f"the ranks must hold {rows:,} rows together, but hold {found:,}"
    crowded = next(
        (each for each in members if 0 < each.gpus < sum(each.machine == other.machine for other in members)), None
    )
    if crowded is not None:
        return (
            f"numWorkers must leave each worker a GPU, got more than the {crowded.gpus} of {crowded.host}; lower it, "
            "or have Spark share them out (spark.task.resource.gpu.amount)"
        )
    for package in sorted({name for member in members for name in member.versions}):
        by_version: dict[str, list[str]] = {}
        for member in members:
            by_version.setdefault(member.versions.get(package, "none"), []).append(member.host)
        if len(by_version) > 1:
            told = ", ".join(f"{version} on {', '.join(sorted(set(hosts)))}" for version, hosts in by_version.items())
            return f"all ranks must have the same {package}, got {told}; install the same on all machines"
    return ""


def places(members: Sequence[Member]) -> dict[int, Place]:
    """Each shard's place: those of one machine stand together, in the order of partitions; 0 is rank 0."""
    machines = list(dict.fromkeys(member.machine for member in members))
    ordered = sorted(members, key=lambda member: (machines.index(member.machine), member.shard))
    on_machine = {name: [member for member in ordered if member.machine == name] for name in machines}
    found = {}
    for rank, member in enumerate(ordered):
        local = on_machine[member.machine].index(member)
        peers = [name for name in machines if len(on_machine[name]) > local]
        found[member.shard] = Place(
            rank,
            len(ordered),
            local,
            len(on_machine[member.machine]),
            peers.index(member.machine),
            len(peers),
            list(ordered),
        )
    return found


def hold_port(host: str) -> socket.socket:
    """A port that nobody else is given until the socket is closed, and that a rank can listen on all the same.

    ZeroMQ allows the address to be reused, as this does, and this one does not listen.
    """
    holder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((host, 0))
    return holder


def new_keys() -> tuple[str, str]:
    """A public and a secret key of a rank in the ring."""
    import zmq

    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def seat(place: Place, secret_key: str) -> Seat:
    """Of a rank in the ring."""
    own, behind, before = (place.members[(place.rank + step) % place.size] for step in (0, 1, -1))
    return Seat(own.address, behind.address, own.key, secret_key, behind.key, before.key)


def host_of(address: str) -> str:
    """Of `host:port`, where IPv6 stands in brackets."""
    return address.rpartition(":")[0].strip("[]") or address

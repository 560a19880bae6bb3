"""How the tasks of one training find each other, inside the one barrier job, and agree that they can train together."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.training.spec import TrainingSpec

_ROWS_OF_LONG_STEPS = 1024
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
        ports: at which it is found: `ranks` (TensorFlow), and of partition 0 `alarm` and `server` (Horovod).
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
    problem: str = ""

    @property
    def address(self) -> str:
        """Where TensorFlow finds it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.ports['ranks']}"


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
    """A port that nobody else is given until the socket is closed, and that TensorFlow can listen on all the same.

    Its server allows the address to be reused, as this does, and this one does not listen.
    """
    holder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((host, 0))
    return holder


def start_horovod_server() -> tuple[Any, int]:
    """The server at which Horovod's ranks look each other up, and its port. Runs in the first rank's task."""
    from horovod.runner.http.http_server import RendezvousServer

    server = RendezvousServer()
    return server, server.start()


def tell_horovod_server(server: Any, members: Sequence[Member], found: Mapping[int, Place]) -> None:
    """Who is where."""
    from horovod.runner.common.util.hosts import SlotInfo

    slots = []
    for member in members:
        place = found[member.shard]
        slots.append(
            SlotInfo(
                member.machine,  # two containers may share an address, not the ranks that are local to them
                place.rank,
                place.local_rank,
                place.cross_rank,
                place.size,
                place.local_size,
                place.cross_size,
            )
        )
    server.init(slots)


def engine_environment(spec: TrainingSpec, place: Place) -> dict[str, str]:
    """What TensorFlow or Horovod is told by environment variables."""
    hosts = [member.host for member in place.members]
    # gRPC, and Horovod's requests, would go through a proxy otherwise.
    known = [os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    direct = ",".join(dict.fromkeys([*filter(None, known), *hosts, "localhost"]))
    found = {"no_proxy": direct, "NO_PROXY": direct}
    if spec.engine == "tensorflow":
        task = {
            "cluster": {"worker": [member.address for member in place.members]},
            "task": {"type": "worker", "index": place.rank},
        }
        return {**found, "TF_CONFIG": json.dumps(task)}
    if spec.engine == "horovod":
        rows = spec.batch_size // spec.world_size
        told = {
            "RANK": place.rank,
            "SIZE": place.size,
            "LOCAL_RANK": place.local_rank,
            "LOCAL_SIZE": place.local_size,
            "CROSS_RANK": place.cross_rank,
            "CROSS_SIZE": place.cross_size,
            "HOSTNAME": place.members[place.rank].machine,
            "GLOO_RENDEZVOUS_ADDR": hosts[0],
            "GLOO_RENDEZVOUS_PORT": place.members[0].ports["server"],
            "GLOO_IFACE": interface(hosts[place.rank]),
            "CONTROLLER": "gloo",
            "CPU_OPERATIONS": "gloo",
            # Gloo gives up after 30 s otherwise, which is less than some take to import TensorFlow, and a rank that
            # stalls is waited for for ever.
            "GLOO_TIMEOUT_SECONDS": max(300, int(spec.stall_seconds)),
            "STALL_CHECK_TIME_SECONDS": 60,
            "STALL_SHUTDOWN_TIME_SECONDS": max(120, int(spec.stall_seconds)),
            # How often, in ms, its thread looks for work, which takes a tenth of a core from short looks. Where steps
            # are long it need not.
            "CYCLE_TIME": os.environ.get("HOROVOD_CYCLE_TIME") or (5 if rows >= _ROWS_OF_LONG_STEPS else 1),
        }
        return {**found, **{f"HOROVOD_{name}": str(value) for name, value in told.items()}}
    return found


def interface(host: str) -> str:
    """Name of the network interface that has an address."""
    import psutil

    wanted = str(socket.getaddrinfo(host, None)[0][4][0])
    for name, addresses in psutil.net_if_addrs().items():
        if any(address.address == wanted for address in addresses):
            return str(name)
    return "lo" if wanted.startswith("127.") else next(name for name in psutil.net_if_addrs() if name != "lo")


def host_of(address: str) -> str:
    """Of `host:port`, where IPv6 stands in brackets."""
    return address.rpartition(":")[0].strip("[]") or address

"""A rank's Spark task: takes its rows to disk, meets the other tasks, and watches over its training process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.training.batches import shard_rows
from experiments.training.channel import Sender
from experiments.training.rank.folder import MODEL, REPORT, SETUP
from experiments.training.rows import TRAIN, VALIDATION, RowWriter
from experiments.training.spec import CHUNK_BYTES, RankSetup, TrainingSpec
from experiments.training.task import child, horovod, rendezvous
from experiments.training.task.alarm import Alarm
from experiments.training.task.devices import VISIBLE, count_gpus, visible_gpus

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "kind string, rank int, part int, payload binary"


@dataclass(frozen=True)
class Order:
    """What the driver asks of each task.

    Attributes:
        training: the same for all.
        token: that the tasks know each other by.
        driver: address at which the driver listens for epochs; None where it does not.
    """

    training: TrainingSpec
    token: str
    driver: tuple[str, int] | None


def train_rank(batches: Iterable[pa.RecordBatch], order: Order) -> Iterator[pa.RecordBatch]:
    """Train on these rows together with the tasks of the other partitions; runs in a barrier stage.

    Yields:
        Rows of `SCHEMA`: `rank` (JSON: where it ran, how it ended, its log) of each rank, and `model` in parts of the
        first one; or `problem`, a text, of the first partition, where they could not begin.
    """
    from pyspark import BarrierTaskContext

    context = BarrierTaskContext.get()
    spec = order.training
    with tempfile.TemporaryDirectory(prefix="rank-", dir=_local_folder()) as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        openings = _Openings(order, stack)
        told = json.dumps(asdict(openings.of(_written(batches, spec, folder, context))))
        # The one time that all wait for each other through Spark, which takes a second; in the order of partitions.
        members = [rendezvous.Member(**json.loads(text)) for text in context.allGather(told)]
        member = members[context.partitionId()]
        problem = rendezvous.disagreement(members, spec.world_size, spec.train_rows + spec.validation_rows)
        if problem:
            if member.shard == 0:
                yield _row("problem", 0, 0, problem.encode())
            return
        places = rendezvous.places(members)
        openings.tell(members, places)
        digest = sum(each.digest for each in members) % 2**64
        ending = _trained(order, places[member.shard], member, folder, openings, f"{digest:016x}", context)
        yield from _results(folder, places[member.shard].rank, member, ending)


def _written(batches: Iterable[pa.RecordBatch], spec: TrainingSpec, folder: Path, context: Any) -> rendezvous.Member:
    """Take the rows to disk; what goes wrong is said to all, not raised."""
    shard = context.partitionId()
    host = rendezvous.host_of(context.getTaskInfos()[shard].address)
    counts = {
        TRAIN: shard_rows(spec.train_rows, spec.world_size, shard),
        VALIDATION: shard_rows(spec.validation_rows, spec.world_size, shard),
    }
    gpus = 0 if "gpu" in context.resources() else len(visible_gpus([], os.environ.get(VISIBLE), count_gpus()))
    member = rendezvous.Member(shard, host, rendezvous.machine(), sum(counts.values()), 0, rendezvous.versions(), gpus)
    try:
        writer = RowWriter(folder, counts, spec.inputs)
        for batch in batches:
            writer.add(batch)
        writer.close()
    except OSError as error:
        size = 4 * sum(counts.values()) * (spec.inputs + 2)
        return replace(
            member,
            problem=f"the disk of {host} must have room for a rank's rows, {size:,} bytes in {folder.parent}, but "
            f"says: {error.strerror or error}; set cluster.conf.spark.local.dir to a larger one, or raise numWorkers",
        )
    except ValueError as error:
        return replace(member, problem=str(error))
    return replace(member, digest=writer.digest)


class _Openings:
    """Ports that are open before the tasks tell each other of them, until the stack unwinds.

    Attributes:
        alarm: of this training.
        secret_key: of the rank in the ring, or None.
    """

    def __init__(self, order: Order, stack: contextlib.ExitStack) -> None:
        self.alarm = Alarm(order.token)
        stack.callback(self.alarm.close)
        self._engine, self._token, self._stack = order.training.engine, order.token, stack
        self._server: Any = None
        self.secret_key: str | None = None

    def of(self, member: rendezvous.Member) -> rendezvous.Member:
        """Open what the member is to offer the others."""
        ports = {}
        try:
            if self._engine == "horovod" and ":" in member.host:
                raise ValueError("Horovod's server knows no IPv6 addresses; set model.estimator.engine=tensorflow")
            if self._engine == "tensorflow":
                holder = self._stack.enter_context(contextlib.closing(rendezvous.hold_port(member.host)))
                ports["ranks"] = holder.getsockname()[1]
                public, self.secret_key = rendezvous.new_keys()
                member = replace(member, key=public)
            if member.shard == 0:
                ports["alarm"] = self.alarm.listen(member.host)
                if self._engine == "horovod":
                    self._server = self._stack.enter_context(horovod.Server(member.host, self._token))
                    ports["server"] = self._server.port
        except Exception as error:  # a port or a package
            return replace(member, problem=f"{member.host} cannot begin: {type(error).__name__}: {error}")
        return replace(member, ports=ports)

    def tell(self, members: Sequence[rendezvous.Member], places: Mapping[int, rendezvous.Place]) -> None:
        """Say to who asks here where the others are."""
        if self._server is not None:
            self._server.tell(members, places)


def _trained(
    order: Order,
    place: rendezvous.Place,
    member: rendezvous.Member,
    folder: Path,
    openings: _Openings,
    digest: str,
    context: Any,
) -> child.Ending:
    """Run the training process to its end."""
    spec, threads, alarm = order.training, context.cpus(), openings.alarm
    if place.rank:
        try:
            alarm.connect(place.members[0].host, place.members[0].ports["alarm"])
        except OSError as error:
            where = f"{place.members[0].host}:{place.members[0].ports['alarm']}"
            return child.Ending(
                f"it must reach rank 0 at {where}, but: {error}; let the machines of the cluster connect to each other",
                at=time.time(),
            )
    seat = rendezvous.seat(place, openings.secret_key) if openings.secret_key else None
    setup = RankSetup(spec, place.rank, member.shard, os.getpid(), digest, threads, seat)
    (folder / SETUP).write_text(setup.to_json())
    process = child.start(folder, _environment(order, place, threads, context.resources()))
    try:
        with Sender(order.driver if place.rank == 0 else None, order.token) as sender:
            ending = child.watch(process, folder, alarm, spec.stall_seconds, sender.send)
    finally:
        if process.poll() is None:
            process.kill()
    if ending.problem:
        alarm.ring()
    return ending


def _environment(order: Order, place: rendezvous.Place, threads: int, resources: Any) -> dict[str, str]:
    """Variables of the training process."""
    gpus = visible_gpus(resources["gpu"].addresses if "gpu" in resources else [], os.environ.get(VISIBLE), count_gpus())
    # A rank computes on one: of those that Spark has given its task, or of the machine's.
    chosen = gpus[:1] if "gpu" in resources else gpus[place.local_rank : place.local_rank + 1]
    return {
        **os.environ,
        **horovod.environment(order.training, place, order.token),
        VISIBLE: ",".join(chosen),
        "OMP_NUM_THREADS": str(threads),
        # Where this process has found the package; a zip that Spark has sent too.
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


def _results(folder: Path, rank: int, member: rendezvous.Member, ending: child.Ending) -> Iterator[pa.RecordBatch]:
    report = json.loads((folder / REPORT).read_text()) if (folder / REPORT).exists() else {}
    about = {
        **report,
        "rank": rank,
        "host": member.host,
        "rows": member.rows,
        "ending": asdict(ending),
        "log": child.log_tail(folder),
    }
    yield _row("rank", rank, 0, json.dumps(about).encode())
    if rank or ending.problem:
        return
    digest, part = hashlib.sha256(), 0
    with (folder / MODEL).open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            yield _row("model", 0, part, chunk)
            part += 1
    yield _row("checksum", 0, 0, digest.digest())


def _row(kind: str, rank: int, part: int, payload: bytes) -> pa.RecordBatch:
    import pyarrow as pa

    types = [pa.string(), pa.int32(), pa.int32(), pa.binary()]
    arrays = [pa.array([value], kind_of) for value, kind_of in zip((kind, rank, part, payload), types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, ["kind", "rank", "part", "payload"])


def _local_folder() -> str | None:
    """Where Spark keeps what it spills, which is large and which it empties; None for the system's own."""
    folders = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")
    return next((folder for folder in folders if folder and os.access(folder, os.W_OK)), None)

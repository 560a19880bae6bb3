"""A rank's Spark task: takes its rows to disk, meets the other tasks, and watches over its training process.

Every way through `train_rank` makes the same calls of `allGather`, or the other tasks would wait for ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.training import child, rendezvous
from experiments.training.alarm import Alarm
from experiments.training.batches import shard_rows
from experiments.training.channel import Sender
from experiments.training.devices import count_gpus, visible_gpus
from experiments.training.shard import TRAIN, VALIDATION, Spool
from experiments.training.spec import RankSetup, TrainingSpec
from experiments.training.worker import MODEL, REPORT, SETUP

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "kind string, rank int, part int, payload binary"
CHUNK_BYTES = 4 * 1024 * 1024


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
    with tempfile.TemporaryDirectory(prefix="rank-", dir=_local_folder()) as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        member = _spooled(batches, order.training, folder, context)
        members = [rendezvous.Member(**told) for told in _gathered(context, asdict(member))]
        spec = order.training
        problem = rendezvous.disagreement(members, spec.world_size, spec.train_rows + spec.validation_rows)
        if not problem:
            places = rendezvous.places(members)
            place = places[member.shard]
            meeting = _Meeting(order, place, places, member, context, stack)
            told = _gathered(context, meeting.offer())
            problem = next((each["problem"] for each in told if each["problem"]), "")
        if problem:
            if member.shard == 0:
                yield _row("problem", 0, 0, problem.encode())
            return
        ending = meeting.train(folder, told, sum(each.digest for each in members) % 2**64)
        # Nobody leaves before all have ended: a task that raised would have Spark train once more.
        _gathered(context, {})
        yield from _results(folder, place, member, ending)


def _gathered(context: Any, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What all tasks say, in the order of partitions."""
    return [json.loads(text) for text in context.allGather(json.dumps(told))]


def _spooled(batches: Iterable[pa.RecordBatch], spec: TrainingSpec, folder: Path, context: Any) -> rendezvous.Member:
    """Take the rows to disk; what goes wrong is said to all, not raised."""
    shard = context.partitionId()
    host = rendezvous.host_of(context.getTaskInfos()[shard].address)
    counts = {
        TRAIN: shard_rows(spec.train_rows, spec.world_size, shard),
        VALIDATION: shard_rows(spec.validation_rows, spec.world_size, shard),
    }
    member = rendezvous.Member(shard, host, rendezvous.machine(), sum(counts.values()), 0, rendezvous.versions())
    try:
        spool = Spool(folder, counts, spec.inputs)
        for batch in batches:
            spool.add(batch)
        spool.close()
    except OSError as error:
        size = 4 * sum(counts.values()) * (spec.inputs + 2)
        return replace(
            member,
            problem=f"the disk of {host} must have room for a rank's rows, {size:,} bytes in {folder.parent}, but "
            f"says: {error.strerror or error}; set cluster.conf.spark.local.dir to a larger one, or raise numWorkers",
        )
    except ValueError as error:
        return replace(member, problem=str(error))
    return replace(member, digest=spool.digest)


class _Meeting:
    """A rank that is about to train: what it offers the others, and the training itself."""

    def __init__(
        self,
        order: Order,
        place: rendezvous.Place,
        places: dict[int, rendezvous.Place],
        member: rendezvous.Member,
        context: Any,
        stack: contextlib.ExitStack,
    ) -> None:
        self._order, self._place, self._places, self._member = order, place, places, member
        self._context, self._stack = context, stack
        self._alarm = Alarm(order.token)
        stack.callback(self._alarm.close)
        self._gpus = ""

    def offer(self) -> dict[str, Any]:
        """Ports at which the others find this rank, or the problem with it."""
        found: dict[str, Any] = {"rank": self._place.rank, "problem": "", "address": "", "alarm": 0, "server": 0}
        spec, host = self._order.training, self._member.host
        try:
            resources = self._context.resources()
            addresses = resources["gpu"].addresses if "gpu" in resources else []
            self._gpus = visible_gpus(
                addresses,
                os.environ.get("CUDA_VISIBLE_DEVICES"),
                self._place.local_rank,
                self._place.local_size,
                count_gpus(),
            )
            if spec.engine == "tensorflow":
                holder = self._stack.enter_context(contextlib.closing(rendezvous.hold_port(host)))
                found["address"] = (
                    f"[{host}]:{holder.getsockname()[1]}" if ":" in host else f"{host}:{holder.getsockname()[1]}"
                )
            if self._place.rank == 0:
                found["alarm"] = self._alarm.listen(host)
                if spec.engine == "horovod":
                    server, found["server"] = rendezvous.start_horovod_server(self._place.members, self._places)
                    self._stack.callback(server.stop)
        except Exception as error:  # a port, a package or a device
            found["problem"] = f"rank {self._place.rank} on {host} cannot begin: {type(error).__name__}: {error}"
        return found

    def train(self, folder: Path, told: list[dict[str, Any]], digest: int) -> child.Ending:
        """Run the training process to its end."""
        by_rank = sorted(told, key=lambda each: int(each["rank"]))
        spec, place = self._order.training, self._place
        if place.rank:
            self._alarm.connect(place.members[0].host, by_rank[0]["alarm"])
        threads = self._context.cpus()
        setup = RankSetup(spec, place.rank, self._member.shard, os.getpid(), f"{digest:016x}", threads)
        (folder / SETUP).write_text(setup.to_json())
        environment = {
            **os.environ,
            **rendezvous.engine_environment(
                spec.engine, place, [each["address"] for each in by_rank], by_rank[0]["server"], spec.stall_seconds
            ),
            "CUDA_VISIBLE_DEVICES": self._gpus,
            "OMP_NUM_THREADS": str(threads),
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            # Where this process has found the package; a zip that Spark has sent too.
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        process = child.start(folder, environment)
        try:
            with Sender(self._order.driver if place.rank == 0 else None, self._order.token) as sender:
                ending = child.watch(process, folder, self._alarm, spec.stall_seconds, sender.send)
        finally:
            if process.poll() is None:
                process.kill()
        if ending.problem:
            self._alarm.ring()
        return ending


def _results(
    folder: Path, place: rendezvous.Place, member: rendezvous.Member, ending: child.Ending
) -> Iterator[pa.RecordBatch]:
    report = json.loads((folder / REPORT).read_text()) if (folder / REPORT).exists() else {}
    about = {
        **report,
        "rank": place.rank,
        "host": member.host,
        "rows": member.rows,
        "ending": asdict(ending),
        "log": child.log_tail(folder),
    }
    yield _row("rank", place.rank, 0, json.dumps(about).encode())
    if place.rank or ending.problem:
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

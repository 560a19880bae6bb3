"""Starts a training on a Spark cluster and brings its result back. Runs on the driver."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.errors import readable_cause
from experiments.training.channel import heard_or_warned, listening
from experiments.training.driver.announcements import announce
from experiments.training.driver.handoff import Counted, dealt
from experiments.training.spec import TrainingSpec
from experiments.training.task.train import SCHEMA, Order, train_rank

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

_SECONDS_TO_REGISTER = 30
# In the place of one that was lost a cluster starts another: a Java, a pod, an archive that is taken apart.
_SECONDS_TO_REPLACE = 120
# How often a training starts again whose executor or machine was lost.
MOST_RESTARTS = 3
# Spark ends a training whole, and its error holds the reason; what a rank raises comes as a row instead.
_LOST = re.compile("ExecutorLostFailure|FetchFailed")


class TrainingError(RuntimeError):
    """A training that failed on a rank; the text has that rank's own words first, then its trace."""


@dataclass(frozen=True)
class Summary:
    """How a training went.

    Attributes:
        epochs: `epoch`, and for each `epoch_loss`, `epoch_accuracy` or `epoch_mae`, the same of the rows held out as
            `epoch_val_…`, `epoch_learning_rate`, `epoch_seconds`.
        ranks: `rank`, `host`, `device`, `rows`, `seconds`, `seconds_of_sums`, `steps`, `bytes_of_a_step`.
        layers: `layer`, `type`, `outputs`, `weights`.
        logs: what each rank printed, by rank.
    """

    epochs: list[dict[str, Any]]
    ranks: list[dict[str, Any]]
    layers: list[dict[str, Any]]
    logs: list[str]


def train(counted: Counted, spec: TrainingSpec) -> tuple[bytes, Summary]:
    """Train on all rows, on as many ranks as the spec says; returns the model as a `.keras` file, and how it went.

    Raises:
        ValueError: the cluster cannot run so many ranks, or the rows cannot be trained on.
        TrainingError: a rank failed.
    """
    spark = counted.rows.sparkSession
    check_cluster(spark, spec.world_size)
    token, heard = secrets.token_hex(16), set[int]()

    def hear(row: dict[str, Any]) -> None:
        if row["epoch"] not in heard:  # as it is once more where a training has started again
            _announce(row, spec.epochs)
            heard.add(row["epoch"])  # else it is said again at the end

    context, tag = spark.sparkContext, f"training-{token[:8]}"
    host = context.getConf().get("spark.driver.host", "127.0.0.1").strip("[]")
    with listening(host, token, hear) as address:
        run = functools.partial(train_rank, order=Order(spec, token, address))
        rows = dealt(counted, spec.validation_rows, spec.world_size, spec.seed)
        context.addJobTag(tag)
        try:
            found = _collected(rows, run, spec.world_size)
        except BaseException:
            context.cancelJobsWithTag(tag)
            raise
        finally:
            context.removeJobTag(tag)
    model, summary = _result(found)
    for row in summary.epochs:
        if row["epoch"] not in heard:  # where the driver could not be reached
            heard_or_warned(row, hear)
    return model, summary


def _collected(rows: DataFrame, run: Callable[..., Any], ranks: int) -> list[Any]:
    """What the ranks yield, also where an executor is lost while they train: they begin again where the checkpoint is,
    else at the first epoch, and come to the same weights.

    Raises:
        ValueError: what is left of the cluster cannot run them.
    """
    for restarts in range(MOST_RESTARTS + 1):
        try:
            # Planned anew each time, as a plan keeps how it ended.
            found: list[Any] = rows.mapInArrow(run, SCHEMA, barrier=True).collect()
            return found
        except Exception as error:  # PySpark's and Py4J's own kinds
            said = readable_cause(error)
            if restarts == MOST_RESTARTS or not _LOST.search(said):
                raise
            lost = _lost(rows.sparkSession, said)
            logger.warning("%s was lost: the training starts again (%d of %d)", lost, restarts + 1, MOST_RESTARTS)
            try:
                check_cluster(rows.sparkSession, ranks, _SECONDS_TO_REPLACE)
            except ValueError as too_few:
                raise ValueError(f"{lost} was lost, and {too_few}") from error
    raise AssertionError  # the last attempt has returned or raised


def _lost(spark: SparkSession, said: str) -> str:
    """Which executor Spark says was lost and where it ran, as far as that is known."""
    found = re.search(r"ExecutorLostFailure \(executor (\S+) ", said)
    if found is None:
        return "an executor"
    known = spark.sparkContext._jsc.sc().statusStore().executorList(False)  # also of those that are gone
    hosts = [each.hostPort() for each in map(known.apply, range(known.size())) if each.id() == found[1]]
    where = "".join(f" on {host.rpartition(':')[0]}" for host in hosts)
    return f"executor {found[1]}{where}"


def refused_settings(settings: Mapping[str, str]) -> list[str]:
    """What is wrong with Spark's settings where ranks are to be trained; a sentence for each."""
    if settings.get("spark.dynamicAllocation.enabled", "false") != "true":
        return []
    return [
        "cluster.conf.spark.dynamicAllocation.enabled must be false where networks are trained, as Spark starts the "
        "tasks of a training together, got true; set it, and spark.executor.instances to how many there are to be"
    ]


def check_cluster(spark: SparkSession, ranks: int, seconds: float = _SECONDS_TO_REGISTER) -> None:
    """Whether so many ranks can run at a time, after a while; Spark itself would try for ten minutes.

    Raises:
        ValueError: with the numbers.
    """
    settings = dict(spark.sparkContext.getConf().getAll())
    refused = refused_settings(settings)
    if refused:
        raise ValueError(refused[0])
    java, end = spark.sparkContext._jsc.sc(), time.monotonic() + seconds
    is_local = spark.sparkContext.master.startswith("local[")
    while (slots := java.maxNumConcurrentTasks(java.resourceProfileManager().defaultResourceProfile())) < ranks:
        if not is_local and time.monotonic() < end:  # executors of a cluster come one by one
            time.sleep(1)
            continue
        raise ValueError(
            f"numWorkers must be at most the tasks that the cluster runs at a time, {slots}, got {ranks}; lower it, or "
            f"add cores (cluster.master='local[{ranks}]' on one machine)"
        )
    if "true" in (settings.get("spark.network.crypto.enabled"), settings.get("spark.ssl.enabled")):
        logger.warning("Spark's connections are encrypted, but gradients travel between the ranks as plain numbers")


def _announce(row: dict[str, Any], epochs: int) -> None:
    announce(row["epoch"], epochs, {name: value for name, value in row.items() if name != "epoch"})


def _result(found: list[Any]) -> tuple[bytes, Summary]:
    """The model and the summary out of the rows that the tasks have yielded.

    Raises:
        ValueError: they could not begin.
        TrainingError: a rank failed, or the model did not arrive whole.
    """
    problems = [bytes(row["payload"]).decode() for row in found if row["kind"] == "problem"]
    if problems:
        raise ValueError(problems[0])
    ranks = [json.loads(row["payload"]) for row in sorted(found, key=lambda row: row["rank"]) if row["kind"] == "rank"]
    failed = [each for each in ranks if each["ending"]["problem"]]
    if failed:
        raise TrainingError(_why(failed))
    model = b"".join(
        bytes(row["payload"]) for row in sorted(found, key=lambda row: row["part"]) if row["kind"] == "model"
    )
    (checksum,) = [bytes(row["payload"]) for row in found if row["kind"] == "checksum"]
    if hashlib.sha256(model).digest() != checksum:
        raise TrainingError("the model must arrive as it was sent, but its checksum differs; train it again")
    history = ranks[0]["history"]
    names = ("rank", "host", "device", "rows", "seconds", "seconds_of_sums", "steps", "bytes_of_a_step")
    table = [{name: each[name] for name in names} for each in ranks]
    return model, Summary(history, table, ranks[0]["layers"], [each["log"] for each in ranks])


def _why(failed: list[dict[str, Any]]) -> str:
    """What the rank says that failed first and of itself, then what the others saw."""
    first, *others = sorted(failed, key=lambda each: (each["ending"]["is_consequence"], each["ending"]["at"]))
    text = f"rank {first['rank']} on {first['host']}: {first['ending']['problem']}\n{first['ending']['trace']}"
    for each in others:
        text += f"\nrank {each['rank']} on {each['host']}: {each['ending']['problem']}"
    return text

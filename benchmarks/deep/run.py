"""Networks inside Spark against what a user would do instead, as ratios of one run, one thread for each process.

    uv run --all-extras python benchmarks/deep/run.py [scaling | epoch | handoff | scoring | memory …]

Without a name all are measured, one after another.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from experiments import load
from experiments.cluster.session import start_session
from experiments.stages.keras import KerasClassifier
from experiments.training.driver import launch
from experiments.training.driver.handoff import counted, dealt
from experiments.training.rows import TRAIN, VALIDATION, Spool
from experiments.training.task.train import train_rank

INPUTS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="which to measure")
    chosen = parser.parse_args().parts or list(PARTS)
    words = ["cluster.master='local[2]'", "cluster.conf.spark.driver.memory=4g"]
    spark = start_session(load(words).cluster)
    for name in chosen:
        print(f"\n## {name}: {(PARTS[name].__doc__ or '').splitlines()[0]}\n", flush=True)
        PARTS[name](spark)


def rows_of(spark: SparkSession, count: int, inputs: int = INPUTS) -> DataFrame:
    """Random vectors and two classes, cached."""
    features = F.array(*(F.randn(seed) for seed in range(inputs)))
    rows = spark.range(0, count, 1, 2).select(array_to_vector(features).alias("features"), "id")
    label = (F.xxhash64("id") % 2 != 0).cast("double")
    rows = rows.select("features", label.alias("label")).cache()
    rows.count()
    return rows


def layers(width: int) -> list[dict[str, Any]]:
    return [{"Dense": {"units": width, "activation": "relu"}}, {"Dense": {"units": width, "activation": "relu"}}]


def scaling(spark: SparkSession) -> None:
    """One rank and two, the same batches: efficiency is half of how much sooner two are done with an epoch."""
    print(
        "| weights | rows a step and rank | bytes a step | engine | 1 rank, s | 2 ranks, s | efficiency | in sums "
        "| loss differs by |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for width, batch, count in ((64, 256, 60_000), (256, 1024, 60_000), (1024, 2048, 40_960), (1024, 16_384, 65_536)):
        rows = rows_of(spark, count)
        params = {"layers": layers(width), "optimizer": "sgd", "batchSize": batch, "epochs": 5, "seed": 1}
        found = {(engine, workers): KerasClassifier(**params, engine=engine, numWorkers=workers).fit(rows).summary
                 for engine, workers in (("local", 1), ("tensorflow", 2), ("horovod", 2))}  # fmt: skip
        alone = found["local", 1]
        for engine in ("tensorflow", "horovod"):
            both = found[engine, 2]
            one, two = (statistics.median(row["epoch_seconds"] for row in each.epochs[1:]) for each in (alone, both))
            rank = max(both.ranks, key=lambda each: each["seconds_of_sums"])
            share = rank["seconds_of_sums"] / sum(row["epoch_seconds"] for row in both.epochs)
            apart = max(abs(a["epoch_loss"] - b["epoch_loss"]) for a, b in zip(alone.epochs, both.epochs, strict=True))
            size = rank["bytes_of_a_step"]
            print(
                f"| {size // 4:,} | {batch // 2:,} | {size:,} | {engine} | {one:.2f} | {two:.2f} | {one / two / 2:.2f} "
                f"| {share:.0%} | {apart:.0e} |",
                flush=True,
            )
        rows.unpersist()


KERAS_FIT = """
import json, sys, time
import numpy as np
import keras, tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
folder, width, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
features, labels = np.load(f"{folder}/features.npy"), np.load(f"{folder}/labels.npy")
keras.utils.set_random_seed(1)
layers = [keras.layers.Dense(width, activation="relu") for _ in range(2)]
model = keras.Sequential([keras.Input((features.shape[1],)), *layers, keras.layers.Dense(1, activation="sigmoid")])
model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
class Times(keras.callbacks.Callback):
    seconds = []
    def on_epoch_begin(self, *_): self.began = time.perf_counter()
    def on_epoch_end(self, *_): self.seconds.append(time.perf_counter() - self.began)
model.fit(features, labels, batch_size=batch, epochs=5, verbose=0, callbacks=[Times()])
print(json.dumps(Times.seconds))
"""


def arrays_of(rows: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    table = rows.select(F.expr("label")).toPandas()
    from pyspark.ml.functions import vector_to_array

    features = rows.select(vector_to_array("features", "float32").alias("features")).toArrow()["features"]
    values = features.combine_chunks().flatten().to_numpy()
    return values.reshape(len(table), -1), table["label"].to_numpy(np.float32)


def epoch(spark: SparkSession) -> None:
    """An epoch at one rank against Keras's own `fit` on the same rows in numpy, one thread each."""
    print("| weights | batch | ours, s | Keras, s | ours / Keras |")
    print("|---|---|---|---|---|")
    for width, batch, count in ((64, 32, 30_000), (64, 256, 60_000), (256, 512, 60_000), (1024, 1024, 20_000)):
        rows = rows_of(spark, count)
        features, labels = arrays_of(rows)
        summary = KerasClassifier(layers=layers(width), optimizer="sgd", batchSize=batch, epochs=5).fit(rows).summary
        ours = statistics.median(row["epoch_seconds"] for row in summary.epochs[1:])
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/features.npy", features)
            np.save(f"{folder}/labels.npy", labels)
            words = [sys.executable, "-c", KERAS_FIT, folder, str(width), str(batch)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
        theirs = statistics.median(json.loads(done.stdout.splitlines()[-1])[1:])
        weights = summary.ranks[0]["bytes_of_a_step"] // 4
        print(f"| {weights:,} | {batch} | {ours:.2f} | {theirs:.2f} | {ours / theirs:.2f} |", flush=True)
        rows.unpersist()


def handoff(spark: SparkSession) -> None:
    """From a cached DataFrame to rows that a training process can read, for two ranks."""
    count = 400_000
    rows = rows_of(spark, count)

    def ours() -> None:
        sizes = {TRAIN: count // 2, VALIDATION: 0}

        def spooled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            with tempfile.TemporaryDirectory() as folder:
                spool = Spool(Path(folder), sizes, INPUTS)
                for batch in batches:
                    spool.add(batch)
                spool.close()
            yield pa.RecordBatch.from_pydict({"digest": [str(spool.digest)]})

        with counted(rows, "features", "label", None, True) as found:
            dealt(found, 0, 2, 1).mapInArrow(spooled, "digest string", barrier=True).collect()

    def generator() -> None:
        def taken(part: Iterator[Any]) -> Iterator[int]:
            import tensorflow as tf

            signature = tf.TensorSpec((INPUTS,), tf.float32), tf.TensorSpec((), tf.float32)
            pairs = ((row.features.toArray().astype(np.float32), row.label) for row in part)
            batches = tf.data.Dataset.from_generator(lambda: pairs, output_signature=signature).batch(256)
            yield sum(len(labels) for _, labels in batches)

        rows.repartition(2).rdd.mapPartitions(taken).collect()

    def parquet() -> None:
        from pyspark.ml.functions import vector_to_array

        with tempfile.TemporaryDirectory() as folder:
            plain = rows.select(vector_to_array("features", "float32").alias("features"), "label")
            plain.repartition(2).write.mode("overwrite").parquet(folder)

            def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
                import pyarrow.parquet as pq

                rank = next(iter(batches)).column(0)[0].as_py()
                path = sorted(Path(folder).glob("*.parquet"))[rank]
                values = pq.read_table(path)["features"].combine_chunks().flatten().to_numpy()
                yield pa.RecordBatch.from_pydict({"rows": [len(values) // INPUTS]})

            spark.range(0, 2, 1, 2).mapInArrow(read, "rows long", barrier=True).collect()

    seconds = in_turns(
        {"ours": ours, "a row-wise generator into tf.data": generator, "Parquet, written and read": parquet}, 3
    )
    size = count * (INPUTS + 2) * 4
    print("| way | seconds | rows/s | MB/s | ours is faster by |")
    print("|---|---|---|---|---|")
    for name, each in seconds.items():
        print(f"| {name} | {each:.2f} | {count / each:,.0f} | {size / each / 1e6:.0f} | {each / seconds['ours']:.2f} |")
    rows.unpersist()


def scoring(spark: SparkSession) -> None:
    """`transform` against `model.predict` on numpy, and against predicting row by row."""
    count, few = 400_000, 2_000
    rows = rows_of(spark, count)
    model = KerasClassifier(layers=layers(256), optimizer="sgd", batchSize=512, epochs=1).fit(rows.limit(2_000))
    features, _ = arrays_of(rows)
    network, part = model.network(), rows.limit(few).cache()
    part.count()
    content = spark.sparkContext.broadcast(model.content)

    def one_by_one() -> None:
        def predicted(part: Iterator[Any]) -> Iterator[float]:
            from experiments.training.task.scoring import network as loaded

            predict = loaded(content.value, "row by row")
            for row in part:
                yield float(predict(row.features.toArray()[None].astype(np.float32))[0, 0])

        part.rdd.map(lambda row: row).mapPartitions(predicted).count()

    seconds = in_turns({
        "transform": lambda: model.transform(rows).write.format("noop").mode("overwrite").save(),
        "predict": lambda: network.predict(features, batch_size=4096, verbose=0),
        "row by row": one_by_one,
    }, 3)  # fmt: skip
    speeds = {name: (few if name == "row by row" else count) / each for name, each in seconds.items()}
    print("| way | rows/s | transform is faster by |")
    print("|---|---|---|")
    for name, speed in speeds.items():
        print(f"| {name} | {speed:,.0f} | {speeds['transform'] / speed:.2f} |")
    rows.unpersist()


GROUPS = Path("/sys/fs/cgroup/memory")


def memory(spark: SparkSession) -> None:
    """A rank that may have 1 GiB of memory, files in the system's cache included, trains on 4 GiB of rows."""
    group, limit = GROUPS / "experiments-benchmark", 2**30
    try:
        group.mkdir(exist_ok=True)
        (group / "memory.limit_in_bytes").write_text(str(limit))
    except OSError as error:
        print(f"not measured: no control group can be made here ({error})")
        return

    def limited(batches: Iterator[pa.RecordBatch], order: Any) -> Iterator[pa.RecordBatch]:
        # The task's process, and with it the one that it starts.
        (group / "cgroup.procs").write_text(str(os.getpid()))
        try:
            yield from train_rank(batches, order)
        finally:
            (GROUPS / "cgroup.procs").write_text(str(os.getpid()))

    count = 4 * limit // (4 * (INPUTS + 2))
    features = F.array(*(F.rand(seed).cast("float") for seed in range(INPUTS)))
    rows = spark.range(0, count, 1, 8).select(
        features.alias("features"), (F.col("id") % 2).cast("double").alias("label")
    )
    launch.train_rank = limited
    started = time.perf_counter()
    try:
        summary = KerasClassifier(layers=layers(64), optimizer="sgd", batchSize=8192, epochs=2).fit(rows).summary
    finally:
        launch.train_rank = train_rank
    most = int((group / "memory.max_usage_in_bytes").read_text())
    seconds = [row["epoch_seconds"] for row in summary.epochs]
    print("| rows | bytes of rows | allowed | most used | refusals | until the end, s | epochs, s |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {count:,} | {count * 4 * (INPUTS + 2):,} | {limit:,} | {most:,} | "
        f"{(group / 'memory.failcnt').read_text().strip()} | {time.perf_counter() - started:.0f} | {seconds} |"
    )
    group.rmdir()


def in_turns(ways: dict[str, Callable[[], None]], turns: int) -> dict[str, float]:
    """Median seconds of each, after a turn that does not count."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, work in ways.items():
            started = time.perf_counter()
            work()
            if turn:
                found[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


PARTS: dict[str, Callable[[SparkSession], None]] = {
    "scaling": scaling,
    "epoch": epoch,
    "handoff": handoff,
    "scoring": scoring,
    "memory": memory,
}

if __name__ == "__main__":
    main()

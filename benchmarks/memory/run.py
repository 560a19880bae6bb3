"""Does the driver's Python memory grow with the data? It must not.

    uv run python benchmarks/memory/run.py [ROWS ...]

Writes house prices as Parquet, 10,000 rows and 5,000,000 unless told otherwise, trains `model=ridge` on each in a
process of its own, and prints the peak resident memory of its Python, Spark's JVM left out.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time

from experiments import load


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [10_000, 5_000_000]
    with tempfile.TemporaryDirectory() as folder:
        for rows in counts:
            for step in ("write", "train"):
                environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
                words = [sys.executable, __file__, step, str(rows), folder]
                subprocess.run(words, env=environment, check=True)


def write(rows: int, folder: str) -> None:
    from experiments.cluster.session import start_session
    from experiments.data.generators import generate

    spark = start_session(load([]).cluster)
    generate(spark, "houses", rows, 42, {}).write.parquet(f"{folder}/{rows}")


def train(rows: int, folder: str) -> None:
    from experiments.experiment import run

    words = ["model=ridge", "data=table", "data.format=parquet", f"data.path={folder}/{rows}", "data.label=price"]
    started = time.perf_counter()
    result = run(load([*words, "data.name=houses", f"tracking.folder={folder}"]))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{rows:>12,} rows {peak:8.1f} MiB of Python {seconds:7.1f} s   rmse {result.metrics['rmse']:.3f}", flush=True
    )


if __name__ == "__main__":
    steps = {"write": write, "train": train}
    if sys.argv[1:2] and sys.argv[1] in steps:
        steps[sys.argv[1]](int(sys.argv[2]), sys.argv[3])
    else:
        main()

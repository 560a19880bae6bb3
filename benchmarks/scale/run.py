"""A tracked run of ours against a script written by hand, on large tables of Parquet.

    uv run python benchmarks/scale/run.py [--rows 1000000 10000000] [--models ridge random_forest kmeans] [--runs 3]

Whole processes in turns, each with a driver of 4 GB: our command as it comes (it tracks, draws, judges the training
rows too, logs the model and registers it), and `by_hand.py`, which does none of that, with and without caching, or
tracks by MLflow's autologging. Prints the medians of their wall times, and our ratios to the faster without tracking
and to that with it.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

FEATURES = [f"x{number}" for number in range(10)]
PIECE = 1_000_000
WORDS = {
    "ridge": ["data.label=y"],
    "random_forest": ["data.label=c", "model.estimator.numTrees=20", "model.estimator.maxDepth=5"],
    "kmeans": ["data.label=null", "model.estimator.k=8"],
}
METRICS = {"ridge": "rmse", "random_forest": "accuracy", "kmeans": "silhouette"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="training rows")
    parser.add_argument("--models", nargs="+", choices=WORDS, default=list(WORDS))
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each, after one that is not")
    parser.add_argument("--words", nargs="*", default=[], help="more words for our command")
    args = parser.parse_args()
    for rows in args.rows:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder, "train"), rows, seed=1)
            write(Path(folder, "test"), rows // 4, seed=2)
            for model in args.models:
                measure(model, rows, Path(folder), args)


def write(folder: Path, rows: int, seed: int) -> None:
    """Files of up to a million rows: ten normal features, a number that is linear in them and a class that is not."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    for number, start in enumerate(range(0, rows, PIECE)):
        x = random.normal(size=(min(PIECE, rows - start), len(FEATURES)))
        y = x @ np.arange(1, len(FEATURES) + 1) + random.normal(size=len(x))
        c = ((x[:, 0] * x[:, 1] + x[:, 2] + random.normal(size=len(x))) > 0).astype("int32")
        columns = {**{name: x[:, place] for place, name in enumerate(FEATURES)}, "y": y, "c": c}
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / f"part-{number:05}.parquet")


def measure(model: str, rows: int, folder: Path, args: argparse.Namespace) -> None:
    script = [sys.executable, str(Path(__file__).with_name("by_hand.py")), model]
    commands = {
        "ours": [
            *(str(Path(sys.executable).parent / "experiments"), f"model={model}", "data=table", "data.format=parquet"),
            *(f"data.path={folder / 'train'}", f"data.test_path={folder / 'test'}", *WORDS[model]),
            *(f"data.features=[{','.join(FEATURES)}]", "cluster.driver_memory=4g", *args.words),
        ],
        "cached": [*script, "cached", str(folder)],
        "read": [*script, "read", str(folder)],
        "autologged": [*script, "autologged", str(folder)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    values: dict[str, set[str]] = {name: set() for name in commands}
    for turn in range(args.runs + 1):
        for name, command in commands.items():
            taken, printed = timed(command, folder)
            values[name] |= set(re.findall(rf"\b{METRICS[model]}\W+([\d.]+)", printed)[:1])
            if turn:
                seconds[name].append(taken)
    print(
        f"{model}, {rows:,} rows, {args.runs} runs each; {METRICS[model]}:", {k: sorted(v) for k, v in values.items()}
    )
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    faster = min(medians["cached"], medians["read"])
    for name, taken in seconds.items():
        print(f"  {name:10} {medians[name]:6.1f} s  ({min(taken):.1f} to {max(taken):.1f})")
    print(f"  ours / the faster untracked script: {medians['ours'] / faster:.2f}")
    print(f"  ours / the autologged script: {medians['ours'] / medians['autologged']:.2f}", flush=True)


def timed(command: list[str], place: Path) -> tuple[float, str]:
    """Wall seconds of a whole process, and what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return time.perf_counter() - started, done.stdout


if __name__ == "__main__":
    main()

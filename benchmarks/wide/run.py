"""Tables of many columns: what filling and dropping missing values costs over leaving them.

    uv run python benchmarks/wide/run.py [--columns 1000] [--rows 10000] [--runs 3]

Alternates whole processes of `experiments model=ridge` on one Parquet file without a missing value, so that each does
the same work but for looking after them. Prints the medians of their wall times and the ratio to `data.missing=fail`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

COMMAND = Path(sys.executable).parent / "experiments"
WAYS = ("fail", "fill", "drop")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each, after one that is not")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wide.parquet"
        write(path, args.rows, args.columns)
        seconds: dict[str, list[float]] = {way: [] for way in args.ways}
        for number in range(args.runs + 1):
            for way in args.ways:
                taken = timed(path, way, folder)
                if number:
                    seconds[way].append(taken)
        medians = {way: statistics.median(times) for way, times in seconds.items()}
        for way, median in medians.items():
            ratio = median / medians[args.ways[0]]
            print(f"{args.columns:,} columns, {args.rows:,} rows, {way}: {median:.1f} s ({ratio:.2f})")


def write(path: Path, rows: int, columns: int) -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(rows, columns))
    frame = pd.DataFrame(features, columns=[f"x{number}" for number in range(columns)])
    frame["y"] = features[:, :10].sum(axis=1) + random.normal(size=rows)
    frame.to_parquet(path)


def timed(path: Path, way: str, folder: str) -> float:
    words = ["model=ridge", "data=table", "data.format=parquet", f"data.path={path}", "data.label=y", "registry=none"]
    start = time.perf_counter()
    subprocess.run(
        [str(COMMAND), *words, f"data.missing={way}", f"tracking.folder={folder}"], check=True, capture_output=True
    )
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

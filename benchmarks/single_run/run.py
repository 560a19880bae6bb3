"""One tracked run of ours against the script that a user would write, on the same rows, split and model.

    uv run python benchmarks/single_run/run.py [--runs 5]

Alternates three whole processes: our command, `by_hand.py` with `mlflow.pyspark.ml.autolog()`, and `by_hand.py`
without any tracking. Prints the medians of their wall times and our ratio to each.
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

LABELS = {"ridge": ("houses", "price", "rmse"), "random_forest": ("purchases", "purchase", "accuracy")}
BARS = {"autologged": 0.6, "untracked": 1.15}
PROGRAMS = Path(sys.executable).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each command, after one that is not")
    parser.add_argument("--model", choices=LABELS, help="only this one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for model in [args.model] if args.model else LABELS:
            write_split(model, Path(folder))
            measure(model, Path(folder), args.runs)


def write_split(model: str, folder: Path) -> None:
    """The data's default 10,000 rows as two Parquet files, in a process of its own."""
    code = f"""
from experiments import load
from experiments.data.loading import load_data
from experiments.cluster.session import start_session
config = load(["model={model}"])
with load_data(start_session(config.cluster), config.data, config.model.task, config.seed) as data:
    data.train.write.parquet("{folder}/{model}_train")
    data.test.write.parquet("{folder}/{model}_test")
"""
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)


def measure(model: str, folder: Path, runs: int) -> None:
    data, label, metric = LABELS[model]
    train, test = folder / f"{model}_train", folder / f"{model}_test"
    by_hand = [sys.executable, str(Path(__file__).with_name("by_hand.py")), model]
    commands = {
        "ours": [
            *(str(PROGRAMS / "experiments"), f"model={model}", "data=table", f"data.name={data}"),
            *("data.format=parquet", f"data.path={train}", f"data.test_path={test}", f"data.label={label}"),
        ],
        "autologged": [*by_hand, "autologged", str(train), str(test)],
        "untracked": [*by_hand, "untracked", str(train), str(test)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    values: dict[str, set[str]] = {name: set() for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            place = folder / name
            place.mkdir(exist_ok=True)
            taken, printed = timed(command, place)
            values[name] |= set(re.findall(rf"\b{metric}\W+([\d.]+)", printed)[:1])
            if turn:
                seconds[name].append(taken)
    print(f"{model}, {data}, 10,000 rows, {runs} runs each; {metric}:", {k: sorted(v) for k, v in values.items()})
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    for name, taken in seconds.items():
        ratio = f"   ours / this {medians['ours'] / medians[name]:.2f} (at most {BARS[name]})" if name in BARS else ""
        print(f"  {name:11} median {medians[name]:6.1f} s  ({min(taken):.1f} to {max(taken):.1f}){ratio}", flush=True)


def timed(command: list[str], place: Path) -> tuple[float, str]:
    """Wall seconds of a whole process, and what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, done.stdout


if __name__ == "__main__":
    main()

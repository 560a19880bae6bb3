"""A sweep of ours against the ways in which a user would run the same trials, on the same rows; whole processes.

    uv run --with hydra-joblib-launcher python benchmarks/sweep/run.py [--model ridge] [--trials 12] [--sides ours]

ours: `experiments -m`. basic: `by_hand.py` under Hydra's own launcher. joblib: the same under hydra-joblib-launcher
with two processes. separate: a command of `by_hand.py` for each trial, of which three are timed. `by_hand.py` draws
two figures, as ours does, and logs no model; ours logs the model of the best.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DATA = {"ridge": ("houses", "price"), "random_forest": ("purchases", "purchase")}
SIDES = ("ours", "basic", "joblib", "separate")
TIMED_SEPARATELY = 3
PROGRAMS = Path(sys.executable).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=DATA, default="ridge")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--sides", default=",".join(SIDES), help="which of them, the first being ours")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_split(args.model, Path(folder))
        print(f"{args.trials} trials of {args.model}", flush=True)
        ours = None
        for side in args.sides.split(","):
            seconds = measure(side, args.model, args.trials, Path(folder))
            ours = ours or seconds
            print(f"| {side} | {seconds:.1f} s | {seconds / ours:.2f} |", flush=True)


def write_split(model: str, folder: Path) -> None:
    """The data's default 10,000 rows as two Parquet files, in a process of its own; MLflow's tables are made too."""
    code = f"""
from experiments import load
from experiments.data.loading import load_data
from experiments.cluster.session import start_session
config = load(["model={model}"])
with load_data(start_session(config.cluster), config.data, config.model.task, config.seed) as data:
    data.train.write.parquet("{folder}/train")
    data.test.write.parquet("{folder}/test")
from mlflow.tracking import MlflowClient
MlflowClient("sqlite:///{folder}/mlflow.db").search_experiments()
"""
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)


def measure(side: str, model: str, trials: int, folder: Path) -> float:
    """Seconds of all trials."""
    own = folder / side
    own.mkdir()
    (own / "mlflow.db").write_bytes((folder / "mlflow.db").read_bytes())
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{own}/mlflow.db", "MLFLOW_DISABLE_TELEMETRY": "1"}
    values = [f"{0.01 * (number + 1):g}" for number in range(trials)]
    if model == "random_forest":
        values = [str(number + 2) for number in range(trials)]
    script = [sys.executable, str(Path(__file__).with_name("by_hand.py")), f"model={model}"]
    script += [f"train={folder}/train", f"test={folder}/test"]
    key = "regParam" if model == "ridge" else "maxDepth"
    if side == "separate":
        times = [spend([*script, f"{key}={value}"], own, environment) for value in values[:TIMED_SEPARATELY]]
        return statistics.mean(times) * trials
    if side == "ours":
        data, label = DATA[model]
        words = [str(PROGRAMS / "experiments"), "-m", f"model={model}", "data=table", f"data.name={data}"]
        words += ["data.format=parquet", f"data.path={folder}/train", f"data.test_path={folder}/test"]
        words += [f"data.label={label}", f"model.estimator.{key}={','.join(values)}"]
        words += ["model.estimator.numTrees=20"] if model == "random_forest" else []
        return spend(words, own, environment)
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"] if side == "joblib" else []
    return spend([*script, f"{key}={','.join(values)}", *launcher, "-m"], own, environment)


def spend(words: list[str], folder: Path, environment: dict[str, str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

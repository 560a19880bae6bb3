"""Fit and evaluation of each of the document's models against its own listing, in one warm session, on the same rows.

    uv run python benchmarks/catalogue/run.py [--runs 3] [--model linear_svc]

The listing makes a DataFrame of pandas, as in the document; ours generates the same rows, splits, checks and caches
them, and judges the training rows too. They take turns; medians count.
"""

from __future__ import annotations

import argparse
import statistics
import time

from listings import LISTINGS
from pyspark.sql import SparkSession

from experiments import Config, load
from experiments.data.generators import generate
from experiments.data.loading import load_data
from experiments.evaluation import evaluate, objective
from experiments.experiment import fit
from experiments.progress import Progress
from experiments.scored import score
from experiments.session import start_session
from experiments.tuning import tune

BARS = {"linear_svc": 1 / 1.8, "random_forest": 1 / 1.2, "tuned_forest": 1 / 1.3}
# As the document has it: its perceptron reads features as they are.
WORDS = {"mlp": ["model.stages.scaler=null"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each, after one that is not")
    parser.add_argument("--model", choices=LISTINGS, help="only this one")
    args = parser.parse_args()
    print("| model | ours, s | the listing, s | ours / the listing | at most | ours says | the listing says |")
    print("|---|---|---|---|---|---|---|")
    for model in [args.model] if args.model else LISTINGS:
        config = load([f"model={model}", *WORDS.get(model, [])])
        measure(config, start_session(config.cluster), 1 if model == "tuned_forest" else args.runs)


def measure(config: Config, spark: SparkSession, runs: int) -> None:
    model, data = config.model.name, config.data
    rows = generate(spark, data.generator, data.rows, config.seed, data.parameters).toPandas()
    sides = {"ours": lambda: ours(config, spark), "listing": lambda: LISTINGS[model](spark.createDataFrame(rows))}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    values: dict[str, float] = {}
    is_long = model == "tuned_forest"  # fits 28 forests: it needs no turn to warm up
    for turn in range(runs + (not is_long)):
        for side, work in sides.items():
            started = time.perf_counter()
            values[side] = work()
            if turn or is_long:
                seconds[side].append(time.perf_counter() - started)
    medians = {side: statistics.median(taken) for side, taken in seconds.items()}
    ratio, bar = medians["ours"] / medians["listing"], BARS.get(model, 1.0)
    print(
        f"| {model} | {medians['ours']:.2f} | {medians['listing']:.2f} | {ratio:.2f} | {bar:.2f} | "
        f"{values['ours']:.4g} | {values['listing']:.4g} |",
        flush=True,
    )


def ours(config: Config, spark: SparkSession) -> float:
    task = config.model.task
    with load_data(spark, config.data, task, config.seed) as dataset:
        if config.tuning.grid:
            config = tune(config, dataset, Progress(config.model.name)).best.config
        with score(fit(config, dataset), dataset, task) as scored:
            value = objective(evaluate(scored), task)
    assert value is not None
    return value


if __name__ == "__main__":
    main()

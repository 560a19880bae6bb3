"""How much of what the trials' metric varies each parameter explains."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments.figures.output import Rows

# Of fewer trials, or of one parameter, there is nothing to say.
FEWEST_TRIALS = 10
FEWEST_PARAMETERS = 2
# Positive numbers that lie so far apart are compared by their magnitude.
LOG_FROM = 100.0


def numbers_of(rows: Rows, key: str) -> list[float] | None:
    """The values of a parameter where all are finite numbers."""
    try:
        values = [float(row[key]) for row in rows]
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) else None


def is_log(values: Sequence[float]) -> bool:
    """Whether numbers are looked at by their magnitude."""
    return min(values) > 0 and max(values) / min(values) >= LOG_FROM


def importances(rows: Rows, keys: Sequence[str]) -> Rows:
    """A row for each parameter that every trial has and that differs: `parameter`, `importance`, the largest first.

    Shares of the variance, by fANOVA (Hutter, Hoos and Leyton-Brown 2014) as Optuna has it: a forest is fitted to the
    trials. Empty where there are too few.
    """
    shared = [key for key in keys if len({row[key] for row in rows}) > 1 and all(row[key] != "" for row in rows)]
    if len(rows) < FEWEST_TRIALS or len(shared) < FEWEST_PARAMETERS or len({row["value"] for row in rows}) < 2:
        return []
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    columns: dict[str, Sequence[float | str]] = {}
    distributions: dict[str, BaseDistribution] = {}
    for key in shared:
        numbers = numbers_of(rows, key)
        columns[key] = numbers or [str(row[key]) for row in rows]
        distributions[key] = (
            FloatDistribution(min(numbers), max(numbers), log=is_log(numbers))
            if numbers
            else CategoricalDistribution(sorted(set(map(str, columns[key]))))
        )
    study = optuna.create_study()
    for number, row in enumerate(rows):
        params = {key: columns[key][number] for key in shared}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=row["value"]))
    found = optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
    )
    return [{"parameter": key, "importance": float(share)} for key, share in found.items()]

"""What settings choose from that take one of a few words."""

from __future__ import annotations

from enum import Enum


class Task(Enum):
    """What a model is for; decides metrics, curves and whether rows are held out."""

    classification = "classification"
    regression = "regression"
    clustering = "clustering"
    decomposition = "decomposition"

    @property
    def supervised(self) -> bool:
        return self in (Task.classification, Task.regression)


class Missing(Enum):
    """What to do about rows with a null, NaN or infinite value among features or label."""

    fail = "fail"
    fill = "fill"
    drop = "drop"
    keep = "keep"


class Balance(Enum):
    """What rows weigh in the fit."""

    none = "none"
    classes = "classes"


class LoggedModels(Enum):
    """Which trials of a sweep log their models."""

    all = "all"
    best = "best"
    none = "none"


class SweepMethod(Enum):
    """How the values of a sweep's trials are chosen."""

    grid = "grid"
    random = "random"
    tpe = "tpe"


class JudgedBy(Enum):
    """Rows by which the best trial of a sweep is chosen."""

    # A part of the training rows.
    validation = "validation"
    # Each part of the training rows once: the mean.
    folds = "folds"
    # Those that the metrics are reported of: what is chosen by them looks better than it is.
    test = "test"


class Moves(Enum):
    """When the alias of a registered model moves to a new version."""

    # If it is not worse on the same rows, nor as bad as one answer for all of them; of a clustering or decomposition,
    # which cannot be compared, always.
    better = "better"
    always = "always"


class TuningMethod(Enum):
    """How candidates of a grid are compared on the training rows."""

    none = "none"
    cross_validation = "cross_validation"
    train_validation = "train_validation"

"""What a fitted pipeline gives reason to doubt, said before its metrics are believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.config.schema import Task
from experiments.data.doubts import LEAST_ROWS, said_of_many_values
from experiments.data.names import unquoted
from experiments.errors import override
from experiments.evaluation.judged import Scored
from experiments.figures.output import Output
from experiments.stages.categories import CategoryEncoderModel

DECIDES = 0.99
PERFECT = 0.999


def doubts(scored: Scored, metrics: Mapping[str, float], outputs: Sequence[Output]) -> list[str]:
    """A sentence for each."""
    if scored.dataset.train_rows < LEAST_ROWS:
        return []
    return [*_categories(scored), *_one_feature(scored, metrics, outputs)]


def _categories(scored: Scored) -> Iterator[str]:
    """Of columns whose texts were numbered: as many as there are rows, or one for all."""
    sizes: dict[str, int] = {}
    for stage in scored.fitted.stages:
        if hasattr(stage, "labelsArray"):
            names = stage.getInputCols() if stage.isDefined("inputCols") else [stage.getInputCol()]
            for name, size in zip(names, _label_counts(stage), strict=True):
                sizes[unquoted(name)] = size
        elif isinstance(stage, CategoryEncoderModel):
            names = map(unquoted, stage.getInputCols())
            sizes |= dict(zip(names, map(len, stage.getValues()), strict=True))
    yield from said_of_many_values(sizes, scored.dataset.train_rows, "training rows")
    constant = [name for name, size in sizes.items() if size == 1]
    if constant:
        yield (
            f"data has columns of text with one value in all training rows: {', '.join(constant)}; nothing can be "
            f"learnt from them: {override('data.exclude', constant)}"
        )


def _label_counts(indexer: Any) -> list[int]:
    """Asked of Java, as the texts may be many."""
    arrays = indexer._java_obj.labelsArray()
    return [len(arrays[place]) for place in range(len(arrays))]


def _one_feature(scored: Scored, metrics: Mapping[str, float], outputs: Sequence[Output]) -> Iterator[str]:
    """That a model is right nearly always by one of several features."""
    rows = next((output.rows for output in outputs if output.name == "feature_importances"), [])
    measure = {Task.classification: "accuracy", Task.regression: "r2"}.get(scored.task, "")
    if len(rows) > 1 and rows[0]["importance"] >= DECIDES and metrics.get(measure, 0.0) >= PERFECT:
        name = rows[0]["feature"]
        yield (
            f"data has a feature that alone gives the label: {name} (importance {rows[0]['importance']:.3f}, "
            f"{measure} {metrics[measure]:.4f}); if it is known only once the label is, leave it out: "
            f"{override('data.exclude', [name])}"
        )

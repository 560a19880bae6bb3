"""What a fitted pipeline gives reason to doubt, said before its metrics are believed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.config.schema import Task
from experiments.data.doubts import LEAST_ROWS, LOPSIDED, SENTENCE, said_of_many_values, said_of_sentences
from experiments.data.names import unquoted
from experiments.data.roles import BALANCE
from experiments.data.variants import is_encoded_otherwise, letters, said_of_variants
from experiments.errors import override
from experiments.evaluation.judged import Scored, summary_of
from experiments.figures.output import Output
from experiments.stages.categories import CategoryEncoderModel

DECIDES = 0.99
PERFECT = 0.999
# What models have whose fits go on until they have converged, and how the fits count.
_WITH_AN_END = ("coefficients", "coefficientMatrix", "gaussians")
ITERATIONS = ("totalIterations", "numIterations", "numIter")
# Of more features Spark does not solve the normal equations.
MOST_NORMAL = 4096
# No error at all is luck where few rows are held out, as of data sets to learn with.
FLAWLESS = 0.9999
LEAST_HELD_OUT = 200
# Of what a model says of the rows, one class.
NEARLY_ALL = 0.95
# Of balanced accuracy, times what chance has.
BETTER_THAN_CHANCE, FAR_BETTER_THAN_CHANCE = 1.1, 1.2
# What is wrong on the training rows is less than this part of what is wrong on others: then it is learnt by heart.
BY_HEART, LEAST_WRONG = 0.3, 0.2
MOST_VALUES = 200
# Where errors are so much larger than the half of them, a few rows make them so.
FEW_ERRORS = 10
_MEASURES = {Task.classification: "accuracy", Task.regression: "r2"}


def doubts(scored: Scored, metrics: Mapping[str, float], outputs: Sequence[Output]) -> list[str]:
    """A sentence for each."""
    if scored.dataset.train_rows < LEAST_ROWS:
        return []
    quality = [*_useless(scored, metrics), *_by_heart(scored, metrics), *_too_good(scored, metrics, outputs)]
    return [*_unconverged(scored), *_categories(scored), *_spellings(scored), *quality]


def is_a_guess(scored: Scored, metrics: Mapping[str, float]) -> bool:
    """Whether one answer for all rows would be as good: the mean of the label, or its most frequent class.

    A model that never says a rare class may still give its rows the higher scores. Of few rows nobody can tell.
    """
    dataset = scored.dataset
    if min(dataset.train_rows, dataset.test_rows or dataset.train_rows) < LEAST_ROWS:
        return False
    if scored.task is Task.regression:
        return metrics.get("r2", 1.0) <= 0
    if scored.task is not Task.classification or metrics["accuracy"] > metrics["baseline_accuracy"]:
        return False
    chance = 1 / max(2, dataset.judged_classes or dataset.classes or 2)
    ranks = metrics.get("auc_roc", 0.5) >= BETTER_THAN_CHANCE * 0.5
    return metrics["balanced_accuracy"] < BETTER_THAN_CHANCE * chance and not ranks


def _useless(scored: Scored, metrics: Mapping[str, float]) -> Iterator[str]:
    """That one answer for all rows would be as good."""
    is_guess = is_a_guess(scored, metrics)
    if scored.task is Task.regression and is_guess:
        half = metrics.get("median_absolute_error", math.inf)
        # Of normal errors it is 1.5 times as much.
        of_few = metrics["rmse"] > FEW_ERRORS * half
        said = f"; half of the rows are off by {half:.4g} at most, so that a few make up the error: their label or "
        said += "features may be wrong"
        yield (
            f"model is no better than the mean of the label, which has r2 0 on the rows that judge (r2 "
            f"{metrics['r2']:.4g}); other features, or less of a penalty, may say more{said if of_few else ''}"
        )
    elif scored.task is Task.classification:
        of_class = Counter[float]()
        for each in scored.confusions:
            if each.held_out is scored.judged_side:
                of_class[each.true] += each.rows
        most, share = scored.dataset.class_name(int(of_class.most_common(1)[0][0])), metrics["baseline_accuracy"]
        if metrics["accuracy"] <= share and not is_guess:
            yield from _less_than_one_answer(scored, metrics, most)
        elif is_guess:
            yield (
                f"model is no better than to say '{most}' of every row, the most frequent of the rows that judge, "
                f"which has accuracy {share:.4g} there (accuracy {metrics['accuracy']:.4g}); look at "
                "balanced_accuracy, by which a sweep chooses with 'sweep.objectives=[balanced_accuracy]', and the "
                "confusion matrix, and at data.balance=classes"
            )
        elif share >= LOPSIDED:
            yield (
                f"data has '{most}' in {share:.1%} of the rows that judge, so that accuracy says little: look at "
                "balanced_accuracy, by which a sweep chooses with 'sweep.objectives=[balanced_accuracy]'; "
                "data.balance=classes weighs the classes alike in the fit"
            )


def _less_than_one_answer(scored: Scored, metrics: Mapping[str, float], most: str) -> Iterator[str]:
    """Of a model that is right less often than one answer for all rows, and is of use all the same.

    Args:
        most: the most frequent class.
    """
    dataset, balance = scored.dataset, metrics["balanced_accuracy"]
    classes = max(2, dataset.judged_classes or dataset.classes or 2)
    if balance >= FAR_BETTER_THAN_CHANCE / classes:
        return  # as where classes are weighed alike, or the threshold was chosen for the rare one
    said = Counter[str]()
    for each in scored.confusions:
        if each.held_out is scored.judged_side:
            said[dataset.class_name(int(each.predicted))] += each.rows
    ways = ["look at the confusion matrix"]
    if said[most] < NEARLY_ALL * sum(said.values()):
        what = "tells the classes little better apart than chance"
    else:
        what = f"says '{most}' of nearly all rows"
        ways += ["a sweep chooses by it with 'sweep.objectives=[balanced_accuracy]'"]
        ways += [] if dataset.fit_weight == BALANCE else ["data.balance=classes weighs the classes alike in the fit"]
        if classes == 2 and scored.model.hasParam("thresholds") and not scored.model.isSet("thresholds"):
            ways.append(f"model.threshold=0.2 calls a row '{dataset.class_name(1)}' from that probability on")
    yield (
        f"model {what}: accuracy {metrics['accuracy']:.4g}, where '{most}' of every row would have "
        f"{metrics['baseline_accuracy']:.4g}, and balanced_accuracy {balance:.4g}, where chance has {1 / classes:.4g}; "
        + ", ".join(ways)
    )


def _by_heart(scored: Scored, metrics: Mapping[str, float]) -> Iterator[str]:
    """That a model is far better on the rows it was fitted on than on others."""
    measure = _MEASURES.get(scored.task, "")
    seen, unseen = metrics.get(f"train_{measure}"), metrics.get(measure)
    if seen is None or unseen is None or scored.dataset.test_rows < LEAST_ROWS:
        return
    unseen = max(unseen, 0.0)  # of r2, which has no end below
    if 1 - unseen >= LEAST_WRONG and 1 - seen < BY_HEART * (1 - unseen):
        yield (
            f"model is far better on the rows it was fitted on (train_{measure} {seen:.4g}) than on those it has not "
            f"seen ({measure} {metrics[measure]:.4g}): it has learnt many by heart; a simpler model (less depth, fewer "
            "iterations, more of a penalty) or more rows may do better on new ones"
        )


def _unconverged(scored: Scored) -> Iterator[str]:
    """Of coefficients and mixtures: that the fit went on to its last iteration, or has many answers alike.

    Networks and centres are left out: of those the number of iterations is a choice.
    """
    model, summary = scored.model, summary_of(scored.model)
    if summary is None or not any(hasattr(type(model), kind) for kind in _WITH_AN_END):
        return
    taken = next((getattr(summary, name) for name in ITERATIONS if hasattr(summary, name)), 0)
    most = model.getOrDefault("maxIter") if model.hasParam("maxIter") else 0
    if 0 < most <= taken:
        yield (
            f"model.estimator.maxIter={most} ended the fit before it converged, so that its answer is not the best: "
            f"model.estimator.maxIter={10 * most}; scaled features (preprocessing=scale) need fewer"
        )
    elif _is_solved_exactly(model) and len(summary.objectiveHistory) > 1:
        yield (
            "data has features that follow from each other, so that least squares has many answers, and the one found "
            "is near the best (model.estimator.tol): leave one of them out by data.exclude, or set a penalty: "
            "model.estimator.regParam=0.01"
        )


def _is_solved_exactly(model: Any) -> bool:
    """Whether Spark solves the normal equations, unless it cannot."""
    if not (model.hasParam("solver") and model.hasParam("elasticNetParam")):
        return False
    is_plain = model.getOrDefault("elasticNetParam") == 0 or model.getOrDefault("regParam") == 0
    return model.getOrDefault("solver") in ("auto", "normal") and is_plain and model.numFeatures <= MOST_NORMAL


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
    sentences = _words_of_shares(scored)
    yield from said_of_sentences(sentences)
    ids = {name: size for name, size in sizes.items() if sentences.get(name, 0) < SENTENCE}
    yield from said_of_many_values(ids, scored.dataset.train_rows, "training rows", words=sentences)
    constant = [name for name, size in sizes.items() if size == 1]
    if constant:
        yield (
            f"data has columns of text with one value in all training rows: {', '.join(constant)}; nothing can be "
            f"learnt from them: {override('data.exclude', constant)}"
        )


def _words_of_shares(scored: Scored) -> dict[str, float]:
    """Words of a value in the mean over the values, of each column of texts of which the share of rows is learnt."""
    words: dict[str, float] = {}
    for stage in scored.fitted.stages:
        if isinstance(stage, CategoryEncoderModel):
            most = stage.getOrDefault("mostValues")
            for name, values in zip(map(unquoted, stage.getInputCols()), stage.getValues(), strict=True):
                counts = [len(value.split()) for value in values if value is not None]
                if len(values) > most and counts:
                    words[name] = sum(counts) / len(counts)
    return words


def _spellings(scored: Scored) -> Iterator[str]:
    """Texts that differ in blanks and capitals only, among the classes and the categories that were numbered."""
    values: dict[str, Sequence[str]] = {}
    if scored.dataset.class_names is not None and scored.dataset.label is not None:
        values[scored.dataset.label_given or scored.dataset.label] = scored.dataset.class_names
    for stage in scored.fitted.stages:
        if isinstance(stage, CategoryEncoderModel):
            values |= dict(zip(map(unquoted, stage.getInputCols()), stage.getValues(), strict=True))
        elif hasattr(stage, "labelsArray") and max(_label_counts(stage), default=0) <= MOST_VALUES:
            names = stage.getInputCols() if stage.isDefined("inputCols") else [stage.getInputCol()]
            values |= dict(zip(map(unquoted, names), stage.labelsArray, strict=True))
    for name, texts in values.items():
        by_letters: dict[str, str] = {}
        for text in filter(None, texts):
            other = by_letters.setdefault(letters(text), text)
            if other is not text:
                way_out = ": make them one by data.query, as with lower(trim(…))"
                said = said_of_variants(name, other, text, "learnt as two")
                yield said if is_encoded_otherwise(other, text) else said + way_out
                break


def _label_counts(indexer: Any) -> list[int]:
    """Asked of Java, as the texts may be many."""
    arrays = indexer._java_obj.labelsArray()
    return [len(arrays[place]) for place in range(len(arrays))]


def _too_good(scored: Scored, metrics: Mapping[str, float], outputs: Sequence[Output]) -> Iterator[str]:
    """That a model is right nearly always by one of several features, or always by several."""
    rows = next((output.rows for output in outputs if output.name == "feature_importances"), [])
    look = "at feature_importances or coefficients"
    if rows:
        look = f"first at {rows[0]['feature']}, the most important (importance {rows[0]['importance']:.3f})"
    measure = _MEASURES.get(scored.task, "")
    found = metrics.get(measure, 0.0)
    if len(rows) > 1 and rows[0]["importance"] >= DECIDES and found >= PERFECT:
        name = rows[0]["feature"]
        yield (
            f"data has a feature that alone gives the label: {name} (importance {rows[0]['importance']:.3f}, "
            f"{measure} {found:.4f}); if it is known only once the label is, leave it out: "
            f"{override('data.exclude', [name])}"
        )
    elif found >= FLAWLESS and scored.dataset.test_rows >= LEAST_HELD_OUT:
        yield (
            f"model is right about {'all' if found == 1 else 'nearly all'} of {scored.dataset.test_rows:,} rows it "
            f"has not seen ({measure} {found:.6g}), as where features hold what is known only once the label is: look "
            f"{look}, and leave such features out by data.exclude"
        )

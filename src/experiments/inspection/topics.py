"""What a topic model has learnt about words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from experiments.evaluation.judged import Scored
from experiments.figures import charts
from experiments.figures.output import Output

TOPIC_TERMS = 20


def topics(scored: Scored) -> Iterator[Output]:
    """`topic`, `word`, `weight` (its probability in the topic): the `TOPIC_TERMS` likeliest words of each topic."""
    if not hasattr(scored.model, "describeTopics"):
        return
    rows = [
        {"topic": topic["topic"], "word": scored.name(index), "weight": float(weight)}
        for topic in scored.model.describeTopics(TOPIC_TERMS).collect()
        for index, weight in zip(topic["termIndices"], topic["termWeights"], strict=True)
    ]
    title, unit = "Likeliest words of each topic", "probability in the topic"
    draw = partial(charts.bars_by_group, group="topic", name="word", value="weight", title=title, unit=unit)
    yield Output("topics", rows, draw)

"""How a network was trained: its epochs, its layers and its ranks."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.evaluation.judged import Scored, summary_of
from experiments.figures.output import Output
from experiments.inspection import model_charts
from experiments.redaction import redact_text


def training_history(scored: Scored) -> Iterator[Output]:
    """`epoch`, `epoch_loss` and the like; the same is recorded by step while it trains."""
    rows = getattr(summary_of(scored.model), "epochs", None)
    if rows:
        yield Output("training_history", rows, model_charts.epochs)


def network_layers(scored: Scored) -> Iterator[Output]:
    """`layer`, `type`, `outputs`, `weights` of each layer of a network."""
    rows = getattr(summary_of(scored.model), "layers", None)
    if rows:
        yield Output("layers", rows)


def ranks(scored: Scored) -> Iterator[Output]:
    """`rank`, `host`, `device`, `rows`, `seconds` and what summing took, and each rank's log."""
    summary = summary_of(scored.model)
    rows = getattr(summary, "ranks", None)
    if rows:
        yield Output("ranks", rows)
        for rank, log in enumerate(summary.logs):
            yield Output(f"rank_{rank}.log", [], text=redact_text(log))

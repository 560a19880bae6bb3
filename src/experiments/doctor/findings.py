"""What the doctor says of one subject, and the ways to come to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from experiments.errors import ConfigError, ExperimentError, parted, readable_cause
from experiments.redaction import redact_text


class State(Enum):
    """How a subject stands."""

    ok = "ok"
    warning = "warning"
    failed = "failed"


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    Attributes:
        subject: what was looked at.
        found: what is there, or what is wrong with it.
        way_out: how to mend it; empty where there is nothing to mend.
    """

    subject: str
    state: State
    found: str
    way_out: str = ""


def ok(subject: str, found: str) -> Finding:
    """Nothing to mend."""
    return Finding(subject, State.ok, redact_text(found))


def doubtful(subject: str, sentence: str) -> Finding:
    """Of a sentence that ends in the way out."""
    return _of_sentence(subject, State.warning, sentence)


def failed(subject: str, sentence: str) -> Finding:
    """Of a sentence that ends in the way out, as those of errors do."""
    return _of_sentence(subject, State.failed, sentence)


def looked(subject: str, look: Callable[[], str]) -> Iterator[Finding]:
    """What a look finds, or a line for each problem that it raises."""
    try:
        yield ok(subject, look())
    except ConfigError as error:
        yield from (failed(subject, problem) for problem in error.problems)
    except ExperimentError as error:
        yield failed(subject, str(error))
    except Exception as error:  # of Spark, MLflow, requests, boto3 and the operating system each its own
        said, way_out = parted(redact_text(readable_cause(error)))
        yield Finding(subject, State.failed, said, way_out)


def _of_sentence(subject: str, state: State, sentence: str) -> Finding:
    # What others say, as Spark, may have such signs in it.
    told = redact_text(sentence)
    said, way_out = parted(told) if "must be readable, but: " in told else told.rpartition("; ")[::2]
    return Finding(subject, state, said, way_out) if said else Finding(subject, state, way_out)

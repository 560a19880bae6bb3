"""Errors told apart by what they came of."""

import contextlib

import pytest

from experiments.errors import ExperimentError, Terminated, is_of_infrastructure
from experiments.experiment import Alone
from experiments.sweeps.trials import Trials


@contextlib.contextmanager
def _dead_connection():
    """As PySpark leaves a call: by asking Java once more, whose connection an interrupted call has taken along."""
    try:
        yield
    finally:
        raise ConnectionError("Answer from Java side is empty")


@contextlib.contextmanager
def _wrapped():
    try:
        yield
    except ConnectionError as error:
        raise ExperimentError("the stage says: Answer from Java side is empty") from error


@pytest.mark.parametrize("around", [Alone(), Trials()])
@pytest.mark.parametrize("told", [KeyboardInterrupt(), SystemExit(143), Terminated(143)])
def test_an_error_that_came_of_an_interruption_is_one(around, told):
    with pytest.raises(type(told)) as caught, around.interruptible(), _wrapped(), _dead_connection():
        raise told
    assert caught.value.args == told.args
    assert isinstance(caught.value.__cause__, ExperimentError)


def test_other_errors_stay_what_they_are():
    with pytest.raises(ExperimentError), Alone().interruptible(), _wrapped():
        raise ConnectionError("refused")


def test_errors_of_trials_that_were_stopped_are_interruptions():
    trials = Trials()
    trials.stopping.set()
    with pytest.raises(KeyboardInterrupt), trials.interruptible():
        raise ExperimentError("Job 3 cancelled")


def test_what_is_tried_again_is_of_the_infrastructure_and_no_interruption():
    with pytest.raises(ExperimentError) as caught, _wrapped():
        raise ConnectionError("refused")
    assert is_of_infrastructure(caught.value)
    assert not is_of_infrastructure(KeyboardInterrupt())
    assert not is_of_infrastructure(ValueError("no"))

"""Errors told apart by what they came of."""

import contextlib
import os
import signal

import pytest

from experiments.errors import ExperimentError, is_of_infrastructure, readable_cause
from experiments.experiment import Alone
from experiments.jobs import run_words
from experiments.sweeps.trials import Trials
from experiments.terminal import interruption
from experiments.terminal.interruption import Terminated


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


@pytest.fixture
def heeding(monkeypatch):
    """The signals of a command, as it heeds them, and as they were before."""
    monkeypatch.setattr("experiments.cluster.jobs.end_jobs_soon", lambda: None)  # another test's, if any
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    run_words(["--cfg", "job"])
    yield
    interruption.forget()
    for number, handler in before.items():
        signal.signal(number, handler)


class _Swallows:
    """Told to end while Python frees it, as Py4J's objects of Java's are: what a handler raises then is dropped."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("heeding")
@pytest.mark.parametrize("around", [Alone(), Trials()])
def test_a_signal_that_python_drops_is_heard_all_the_same(around):
    around.go_on()
    told = _Swallows()
    del told
    with pytest.raises(Terminated) as caught, around.interruptible():
        raise ExperimentError("Job 7 cancelled")
    assert caught.value.args == (143,)
    with pytest.raises(Terminated):
        around.go_on()
    run_words(["--cfg", "job"])  # of the next command nobody has said so
    around.go_on()


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


TRACE = """An exception was thrown from the Python worker:
Traceback (most recent call last):
  File "/home/me/stage.py", line 7, in transform
    raise ValueError("a lemon")
ValueError: a lemon
"""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (TRACE, "a Python worker of Spark raised ValueError: a lemon (stage.py, line 7)"),
        (TRACE.replace("ValueError: a", "ModuleNotFoundError: No module named 'a"), "the package is missing where"),
        (TRACE + "\n\tat org.apache.spark.Worker.run(Worker.scala)", "raised ValueError: a lemon (stage.py, line 7)"),
        ("Python worker exited unexpectedly (crashed).", "most often the machine as its memory ran out"),
        ("File file:/data/x.csv does not exist", "File file:/data/x.csv does not exist"),
        ("\tat org.apache.spark.Worker.run(Worker.scala)", "RuntimeError"),
        ("Job aborted: Connection reset", "something ended a process"),
        ("[Errno 28] No space left on device: '/data/x'", "the disk is full that holds the path"),
        ("java.lang.OutOfMemoryError: Java heap space", "cluster.conf.spark.driver.memory=8g"),
        ("API request to endpoint /x failed with error code 403 != 200", "the server knows this user and refuses"),
    ],
)
def test_a_cause_is_said_with_what_it_means_and_what_helps(said, expected):
    assert expected in readable_cause(RuntimeError(said))


def test_a_server_that_resets_a_connection_has_killed_no_process_and_our_own_words_stay():
    server = "HTTPConnectionPool(host='x'): Connection reset by peer"
    assert readable_cause(RuntimeError(server)) == server
    assert readable_cause(ExperimentError(f"rank 1 failed\n{TRACE}")) == (
        "rank 1 failed An exception was thrown from the Python worker:"
    )
    assert readable_cause(ModuleNotFoundError("No module named 'xgboost'")) == "No module named 'xgboost'"


def test_a_key_that_is_not_there_is_said_to_be_one():
    assert readable_cause(KeyError("train_rows")) == "KeyError: 'train_rows'"

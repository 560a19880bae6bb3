"""Each run keeps its own log, and leaves logging as it was."""

import logging
import threading

from experiments.tracking import run_log


def test_runs_in_threads_have_logs_of_their_own_without_secrets():
    both, logs = threading.Barrier(2, timeout=10), {}

    def one(name):
        with run_log.kept() as log:
            both.wait()
            run_log.write(f"{name} at postgresql://me:hunter2@host/db")
            logging.getLogger("some.library").warning("%s was slow", name)
            both.wait()
        logs[name] = log.getvalue().splitlines()

    threads = [threading.Thread(target=one, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, lines in logs.items():
        assert [line.split(" ", 2)[2] for line in lines] == [
            *(f"{name} at postgresql://[redacted]@host/db", f"WARNING some.library: {name} was slow")
        ]


def test_a_library_is_not_failed_by_its_message_and_listening_ends_with_the_log(monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of the tests raise
    with run_log.kept():
        logging.getLogger("some.library").warning("%d rows", "many")
        assert len(logging.getLogger().handlers) == 1
    assert not logging.getLogger().handlers

"""Of several who want the same sweep at the same instant exactly one gets it, whoever writes and reads when."""

import random
import threading
import time
from types import SimpleNamespace

import pytest

from experiments.tracking import claim
from experiments.tracking.claim import Claim
from experiments.tracking.owner import process_tag


@pytest.fixture
def board():
    """What all see: the tags of one run, and of another that has none."""
    tags = {}
    return tags, lambda: [SimpleNamespace(data=SimpleNamespace(tags=dict(tags))) for _ in range(1)]


def wants(board, slow):
    tags, look = board
    wanted = Claim()
    slow()
    tags[wanted.tag] = wanted.value
    slow()
    if wanted.other(look) is None:
        return wanted
    tags.pop(wanted.tag)
    return None


@pytest.mark.parametrize("seed", range(20))
def test_one_of_five_has_it(board, monkeypatch, seed):
    monkeypatch.setattr(claim, "SECONDS_BETWEEN_LOOKS", 0.005)
    monkeypatch.setattr(claim, "SECONDS_TO_WITHDRAW", 0.5)
    pauses, got = random.Random(seed), []

    def slow():
        time.sleep(pauses.random() / 50)

    threads = [threading.Thread(target=lambda: got.append(wants(board, slow))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [each for each in got if each is not None]
    assert list(board[0]) == [winner.tag]


def test_whoever_has_it_keeps_it(board, monkeypatch):
    monkeypatch.setattr(claim, "SECONDS_TO_WITHDRAW", 0.1)
    first = wants(board, lambda: None)
    assert first is not None
    assert [wants(board, lambda: None) for _ in range(4)] == [None] * 4


def test_a_claim_of_a_process_that_is_gone_counts_for_nothing(board):
    (process,) = process_tag().values()
    machine = process.split(" ")[0]
    board[0][f"{claim.CLAIM_TAG}0"] = f"{time.time()} {machine} 4000000 5.00"
    board[0][f"{claim.CLAIM_TAG}1"] = f"{time.time() - 100} another/pid:[1] 12 5.00"  # nobody here can know
    assert wants(board, lambda: None) is not None
    board[0][f"{claim.CLAIM_TAG}2"] = f"{time.time()} another/pid:[1] 12 5.00"
    assert wants(board, lambda: None) is None

"""What ranks do before and beside TensorFlow: batches, rows on disk, places, devices, alarms, checkpoints."""

import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pytest

from experiments import ConfigError, load
from experiments.training import keras_names
from experiments.training.batches import NO_ROW, WINDOW_BYTES, epoch_batches, shard_rows, steps_of
from experiments.training.channel import Sender, listening
from experiments.training.driver import announcements
from experiments.training.driver.handoff import _scramble
from experiments.training.rank import checkpoints
from experiments.training.rows import TRAIN, VALIDATION, RowWriter, open_rows
from experiments.training.spec import RankSetup
from experiments.training.task.alarm import Alarm
from experiments.training.task.child import start, watch
from experiments.training.task.devices import visible_gpus
from experiments.training.task.horovod import interface
from experiments.training.task.rendezvous import Member, disagreement, hold_port, places
from experiments.validation import validate
from specs import SPEC


def order_of(rows, batch, ranks, shard, seed=7, epoch=2, row_bytes=1):
    return np.stack(list(epoch_batches(rows, batch, ranks, shard, seed, epoch, row_bytes)))


@pytest.mark.parametrize(("rows", "batch"), [(103, 12), (12, 12), (5, 12), (96, 12), (13, 12)])
@pytest.mark.parametrize("ranks", [2, 3, 4, 12])
@pytest.mark.parametrize("row_bytes", [1, WINDOW_BYTES // 36])  # all in one window, and three steps in each
def test_each_batch_is_the_same_rows_for_any_number_of_ranks(rows, batch, ranks, row_bytes):
    alone = order_of(rows, batch, 1, 0, row_bytes=row_bytes)
    shares = [order_of(rows, batch, ranks, shard, row_bytes=row_bytes) for shard in range(ranks)]
    assert {share.shape for share in shares} == {(steps_of(rows, batch), batch // ranks)}
    for step, expected in enumerate(alone):
        found = [place * ranks + shard for shard in range(ranks) for place in shares[shard][step] if place != NO_ROW]
        assert sorted(found) == sorted(expected[expected != NO_ROW])
    assert sorted(alone[alone != NO_ROW]) == list(range(rows))
    assert sum(shard_rows(rows, ranks, shard) for shard in range(ranks)) == rows


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {
        order_of(1000, 10, 1, 0, seed, epoch).tobytes() for seed, epoch in ((1, 1), (1, 2), (2, 1), (2, 2), (0, 1))
    }
    assert len(orders) == 5
    order = order_of(100_000, 10, 1, 0)
    # Where a row comes has nothing to do with where it stands.
    assert abs(np.corrcoef(order[:, 0], np.arange(len(order)))[0, 1]) < 0.03


def test_windows_are_read_one_after_another():
    order = order_of(1200, 10, 1, 0, row_bytes=WINDOW_BYTES // 200) // 200  # windows of 20 steps
    assert [len(set(order[start : start + 20].ravel())) for start in range(0, 120, 20)] == [1] * 6
    assert order[::20, 0].tolist() != sorted(order[::20, 0])


@pytest.mark.parametrize("count", [1, 2, 3, 10, 97, 1000])
def test_renumbering_is_one_to_one(count):
    for seed in range(5):
        factor, offset = _scramble(count, seed)
        assert sorted((number * factor + offset) % count for number in range(count)) == list(range(count))


@pytest.mark.parametrize("count", [590, 849, 1000, 10_000])
def test_what_is_held_out_is_a_fair_share_of_each_stretch(count):
    for seed in range(4):
        factor, offset = _scramble(count, seed)
        held_out = [(number * factor + offset) % count < count // 5 for number in range(count)]
        shares = [sum(held_out[start : start + 100]) for start in range(0, count - 99, 100)]
        assert min(shares) >= 15
        assert max(shares) <= 25


def test_renumbering_stays_within_a_long():
    factor, offset = _scramble(20_000_000_000, 42)
    assert factor * 20_000_000_000 + offset < 2**63


def batch_of(features, places, held_out=None, labels=None):
    count = len(places)
    columns = {
        "features": pa.array(features, pa.list_(pa.float32())),
        "label": pa.array(labels if labels is not None else [float(place) for place in places], pa.float32()),
        "weight": pa.array([1.0] * count, pa.float32()),
        "place": pa.array(places, pa.int64()),
        "is_validation": pa.array(held_out or [False] * count),
    }
    return pa.RecordBatch.from_pydict(columns)


def test_rows_lie_where_they_belong_and_their_digest_knows_no_order(tmp_path):
    rows = [[float(row), row + 0.5] for row in range(4)]
    digests = []
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):
        writer = RowWriter(tmp_path, {TRAIN: 3, VALIDATION: 1}, 2)
        for place in order:
            writer.add(batch_of([rows[place]], [place if place < 3 else 0], [place == 3], [10.0 + place]))
        writer.close()
        digests.append(writer.digest)
        found = open_rows(tmp_path, TRAIN, 3, 2)
        assert found.features.tolist() == rows[:3]
        assert found.labels.tolist() == [10, 11, 12]
        assert open_rows(tmp_path, VALIDATION, 1, 2).features.tolist() == rows[3:]
    assert digests[0] == digests[1]


def test_the_digest_knows_content_and_no_order(tmp_path):
    digests = set()
    for features, where in (([[1.0], [2.0]], [0, 1]), ([[1.0], [2.0]], [1, 0]), ([[1.0], [2.5]], [0, 1])):
        writer = RowWriter(tmp_path, {TRAIN: 2, VALIDATION: 0}, 1)
        writer.add(batch_of(features, where, labels=[0.0, 0.0]))
        digests.add(writer.digest)
    assert len(digests) == 2  # the second only stands in another order


def test_vectors_of_several_lengths_are_refused(tmp_path):
    writer = RowWriter(tmp_path, {TRAIN: 2, VALIDATION: 0}, 2)
    for features in ([[1.0], [2.0, 3.0, 4.0]], [[1.0, None], [2.0, 3.0]]):
        with pytest.raises(ValueError, match="all feature vectors must have 2 entries, as the first, and none of them"):
            writer.add(batch_of(features, [0, 1]))


def test_rows_that_are_missing_or_not_finite_are_refused(tmp_path):
    writer = RowWriter(tmp_path, {TRAIN: 2, VALIDATION: 0}, 2)
    with pytest.raises(ValueError, match="got nan in entry 1"):
        writer.add(batch_of([[1.0, float("nan")]], [0]))
    with pytest.raises(ValueError, match="labels must be finite"):
        writer.add(batch_of([[1.0, 2.0]], [0], labels=[float("inf")]))
    writer.add(batch_of([[1e38, 3e38]], [0]))  # large, and finite
    with pytest.raises(ValueError, match="but 1 came and 2 were counted"):
        writer.close()


def member(shard, machine, **others):
    return Member(shard, machine, machine, 10, shard, {"python": "3.11.7", "keras": "3.15.1"}, **others)


def test_ranks_of_one_machine_stand_together():
    found = places([member(0, "b"), member(1, "a"), member(2, "b"), member(3, "a"), member(4, "b")])
    told = {shard: (p.rank, p.local_rank, p.local_size, p.cross_rank, p.cross_size) for shard, p in found.items()}
    assert told == {
        0: (0, 0, 3, 0, 2), 2: (1, 1, 3, 0, 2), 4: (2, 2, 3, 0, 1), 1: (3, 0, 2, 1, 2), 3: (4, 1, 2, 1, 2)
    }  # fmt: skip
    assert [each.shard for each in found[0].members] == [0, 2, 4, 1, 3]


def test_ranks_say_why_they_cannot_train_together():
    both = [member(0, "a"), member(1, "b")]
    assert disagreement(both, 2, 20) == ""
    assert "started 2" in disagreement(both, 3, 20)
    assert "must hold 21 rows together, but hold 20" in disagreement(both, 2, 21)
    assert disagreement([both[0], replace(both[1], problem="no room")], 2, 20) == "no room"
    other = replace(both[1], versions={"python": "3.11.7"})
    assert "the same keras, got 3.15.1 on a, none on b" in disagreement([both[0], other], 2, 20)
    assert "more than the 1 of a" in disagreement([member(0, "a", gpus=1), member(1, "a", gpus=1)], 2, 20)
    assert disagreement([member(0, "a", gpus=2), member(1, "a", gpus=2)], 2, 20) == ""


def test_a_held_port_can_be_listened_on_and_is_given_to_nobody_else():
    with hold_port("127.0.0.1") as holder, socket.socket() as server:
        port = holder.getsockname()[1]
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()


@pytest.mark.parametrize(
    ("addresses", "visible", "gpus", "expected"),
    [
        ([], None, 0, []),
        ([], None, 2, ["0", "1"]),
        ([], "", 2, []),  # hidden from the task
        ([], "3,5", 8, ["3", "5"]),
        (["3"], None, 8, ["3"]),
        (["3"], "0", 1, ["0"]),  # a container that numbers the one it has anew
        (["1"], "4,5", 8, ["5"]),  # Spark counts among those that are visible
        (["7"], "4,5", 8, ["4", "5"]),
        (["0", "2"], "4,5,6", 8, ["4", "6"]),
        (["GPU-1"], None, 8, ["GPU-1"]),
    ],
)
def test_which_gpus_a_task_has(addresses, visible, gpus, expected):
    assert visible_gpus(addresses, visible, gpus) == expected


@pytest.fixture
def alarms():
    """Three tasks that are connected, the first of which listens."""
    found = [Alarm("token") for _ in range(3)]
    port = found[0].listen("127.0.0.1")
    for each in found[1:]:
        each.connect("127.0.0.1", port)
    yield found, port
    for each in found:
        each.close()


def rings(alarm):
    return alarm.ringing.wait(5)


def test_an_alarm_rings_in_all_tasks(alarms):
    (first, second, third), _ = alarms
    second.ring()
    assert rings(first)
    assert rings(third)


def test_a_task_that_is_gone_without_a_word_rings(alarms):
    (first, second, third), _ = alarms
    second._peers[0].shutdown(socket.SHUT_RDWR)
    assert rings(first)
    assert rings(third)


def test_a_farewell_and_a_stranger_do_not_ring(alarms):
    (first, second, third), port = alarms
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        assert len(stranger.recv(64)) == 32  # is asked
        stranger.sendall(b"another answer of as many bytes.")
        assert stranger.recv(1) == b""  # sent away
    second.close()
    time.sleep(0.2)
    assert not first.ringing.is_set()
    assert not third.ringing.is_set()
    third.ring()
    assert rings(first)


def test_an_address_may_be_of_ipv6():
    told = []
    with listening("::1", "token", told.append) as address, Sender(address, "token") as sender:
        sender.send('{"epoch": 1}')
    assert told == [{"epoch": 1}]
    assert interface("::1") == "lo"


def test_epochs_reach_the_driver_and_a_stranger_does_not(caplog):
    heard, told = [], []
    hear = lambda row: announcements.announce(row["epoch"], 3, {"loss": row["loss"]})  # noqa: E731
    with (
        announcements.heard(lambda *report: told.append(report)),
        listening("127.0.0.1", "token", hear) as address,
    ):
        with Sender(address, "wrong") as stranger:
            stranger.send('{"epoch": 9, "loss": 9}')
        with Sender(address, "token") as sender:
            sender.send('{"epoch": 1, "loss": 0.5}')
            sender.send('{"epoch": 2, "loss": 0.4}')
    assert told == [(1, 3, {"loss": 0.5}), (2, 3, {"loss": 0.4})]

    def fails(row):
        heard.append(row)
        raise ConnectionError("no store")

    with listening("127.0.0.1", "token", fails) as address, Sender(address, "token") as sender:
        sender.send('{"epoch": 1}')
        sender.send('{"epoch": 2}')
    assert len(heard) == 2
    assert "epoch 2 could not be recorded yet: no store" in caplog.text


def test_the_secret_of_a_training_is_never_sent_and_no_answer_serves_twice():
    heard, answers = [], []
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(2):
            thread = threading.Thread(target=lambda: Sender(server.getsockname(), "token").send("{}"))
            thread.start()
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"n" * 31 + bytes([len(answers)]))
                answers.append(peer.recv(32))
                thread.join()
    assert len(set(answers)) == 2
    assert not any(b"token" in answer for answer in answers)
    with listening("127.0.0.1", "token", heard.append) as address, socket.create_connection(address) as thief:
        thief.recv(32)
        thief.sendall(answers[0])
        assert thief.recv(1) == b""
    assert heard == []


def test_a_driver_that_cannot_be_reached_is_done_without():
    with hold_port("127.0.0.1") as nobody, Sender(nobody.getsockname(), "token") as sender:
        sender.send("{}")


def test_checkpoints_are_whole_and_few(tmp_path):
    folder = tmp_path / "new" / "kept"
    for epoch in (1, 2, 3):
        about = {"epoch": epoch, "identity": "a", "digest": "b", "history": []}
        checkpoints.save(folder, checkpoints.State(about, [np.full((2, 2), epoch, np.float32), np.array(epoch)]))
    assert [path.name for path in sorted(folder.iterdir())] == ["epoch-000002.npz", "epoch-000003.npz"]
    state = checkpoints.newest(folder, "a", "b")
    assert state.about["epoch"] == 3
    assert [array.tolist() for array in state.arrays] == [[[3, 3], [3, 3]], 3]
    damaged = bytearray((folder / "epoch-000003.npz").read_bytes())
    damaged[len(damaged) // 3] ^= 0xFF
    (folder / "epoch-000003.npz").write_bytes(damaged)
    assert checkpoints.newest(folder, "a", "b").about["epoch"] == 2
    with pytest.raises(ValueError, match="which is of another config and other data; choose another folder"):
        checkpoints.newest(folder, "x", "y")
    assert checkpoints.newest(tmp_path, "a", "b") is None


def test_a_checkpoint_holds_no_pickle(tmp_path):
    np.savez(tmp_path / "epoch-000001.npz", about=np.array([{"epoch": 1}], dtype=object))
    assert checkpoints.newest(tmp_path, "a", "b") is None


def test_what_is_trained_does_not_depend_on_how():
    other = replace(SPEC, epochs=9, world_size=1, engine="local", checkpoint_folder="/x", stall_seconds=1)
    assert other.identity == SPEC.identity
    assert replace(SPEC, learning_rate=0.2).identity != SPEC.identity
    assert [replace(SPEC, scaling=rule).scaled_rate for rule in ("none", "linear", "sqrt")] == [0.1, 0.4, 0.2]
    setup = RankSetup(SPEC, 1, 1, 5, "d", 2)
    assert RankSetup.from_json(json.dumps(asdict(setup))) == setup


def test_a_process_that_ends_before_it_has_begun_is_told(tmp_path):
    """The real module, which finds no setup."""
    process = start(tmp_path, {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin"})
    ending = watch(process, tmp_path, Alarm("token"), 60, lambda line: None)
    assert ending.problem == "its training process ended with exit code 1"
    assert "setup.json" in ending.trace


def test_a_training_process_needs_neither_spark_nor_tensorflow_to_be_imported():
    code = (
        "import sys, experiments.training.rank.worker, experiments.training.task.train; "
        "unwanted = 'pyspark hydra omegaconf mlflow tensorflow keras pandas'.split(); "
        "print(sorted(set(unwanted) & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_keras_offers_is_known_without_importing_it():
    assert {"Dense", "Dropout", "Conv2D", "Embedding", "BatchNormalization"} <= keras_names.offered("layers").keys()
    assert not {"Lambda", "TFSMLayer", "Layer"} & keras_names.offered("layers").keys()
    assert "huber" in keras_names.offered("losses")
    assert {"units", "activation", "name"} <= keras_names.arguments("layers", "Dense")
    assert "momentum" in keras_names.arguments("optimizers", "SGD")


E_KEY = "model.estimator"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (f"{E_KEY}.layers=[{{Dens:{{units:3}}}}]", "Keras has no layer 'Dens'; did you mean 'Dense'?"),
        (f"{E_KEY}.layers=[{{Dense:{{unit:3}}}}]", "Dense takes .*, not 'unit'; did you mean 'units'"),
        (f"{E_KEY}.layers=[{{Lambda:{{function:x}}}}]", "Keras has no layer 'Lambda'"),
        (f"{E_KEY}.layers=[Dense]", "a layer must be one name with its arguments"),
        (f"{E_KEY}.optimizer=adma", "Keras has no optimizer 'adma'; did you mean 'Ada"),
        (f"{E_KEY}.optimizer={{SGD:{{learning_rate:1}}}}", "the learning rate is set by learningRate"),
        (f"{E_KEY}.loss=hubber", "did you mean 'huber'"),
        (f"{E_KEY}.engine=hvd", "must be one of horovod, local, tensorflow"),
        (f"{E_KEY}.epochs=0", "it must be 1 or more"),
        (f"{E_KEY}.numWorkers=3", f"{E_KEY}.batchSize must be a multiple of numWorkers, .* got 32 and 3; set it to 30"),
        (f"{E_KEY}.engine=local", f"{E_KEY}.numWorkers must be 1 with engine=local, got 2"),
        (f"{E_KEY}.validationFraction=1", f"{E_KEY}.validationFraction must be below 1"),
        (f"{E_KEY}.network=os:system", f"{E_KEY}.network must be alone"),
        (f"{E_KEY}.checkpointDir=s3://bucket/kept", f"{E_KEY}.checkpointDir must be an absolute path"),
    ],
)
def test_a_wrong_network_is_refused_by_its_key(word, message):
    with pytest.raises(ConfigError, match=message) as caught:
        validate(load(["model=keras_horovod", word]))
    assert str(caught.value).startswith(E_KEY)


def test_a_function_must_lie_in_an_allowed_package():
    words = ["model=keras_local", f"{E_KEY}.layers=[]", f"{E_KEY}.network=os:system"]
    with pytest.raises(ConfigError, match=r"network must lie in an allowed package .* 'allowed_packages=\[that"):
        validate(load(words))
    validate(load([*words, "allowed_packages=[os]"]))

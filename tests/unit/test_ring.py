"""Where ranks find each other, and the ring in which they sum: nobody else is let in."""

import contextlib
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import psutil
import pytest

from experiments.training.rank.ring import Ring
from experiments.training.spec import Seat
from experiments.training.task import horovod
from experiments.training.task.rendezvous import Member, hold_port, new_keys, places, seat
from specs import SPEC


def test_engines_are_told_where_everybody_is(monkeypatch):
    monkeypatch.setenv("no_proxy", "intern")
    members = [
        Member(0, "127.0.0.1", "a", 1, 0, {}, ports={"ranks": 1, "server": 9}, key="first"),
        Member(1, "::1", "b", 1, 0, {}, ports={"ranks": 2}, key="second"),
        Member(2, "127.0.0.1", "b", 1, 0, {}, ports={"ranks": 3}, key="third"),
    ]
    found = places(members)
    assert seat(found[1], "secret") == Seat("tcp://[::1]:2", "tcp://127.0.0.1:3", "second", "secret", "third", "first")
    assert seat(found[2], "secret").next_key == "first"
    assert horovod.environment(replace(SPEC, engine="tensorflow"), found[1], "token") == {}
    environment = horovod.environment(replace(SPEC, engine="horovod"), found[0], "token")
    assert environment["no_proxy"].split(",") == ["intern", "127.0.0.1", "::1", "localhost"]
    assert environment["HOROVOD_GLOO_IFACE"] == "lo"
    assert environment["HOROVOD_CYCLE_TIME"] == "1"
    assert (environment["HOROVOD_GLOO_RENDEZVOUS_PORT"], environment["HOROVOD_CROSS_SIZE"]) == ("9", "2")
    assert environment["HOROVOD_GLOO_RENDEZVOUS_ADDR"].startswith("127.0.0.1:9/")
    assert "token" not in environment["HOROVOD_GLOO_RENDEZVOUS_ADDR"]


@pytest.fixture
def seats():
    """A ring of some ranks on loopback."""

    def made(size, hosts=("127.0.0.1",)):
        keys = [new_keys() for _ in range(size)]
        with contextlib.ExitStack() as held:
            holders = [held.enter_context(hold_port(hosts[rank % len(hosts)])) for rank in range(size)]
            ports = [holder.getsockname()[1] for holder in holders]
        members = [
            Member(rank, hosts[rank % len(hosts)], "a", 1, 0, {}, ports={"ranks": port}, key=public)
            for rank, (port, (public, _)) in enumerate(zip(ports, keys, strict=True))
        ]
        found = places(members)
        return [seat(found[rank], secret) for rank, (_, secret) in enumerate(keys)]

    return made


def summed(seats, vectors):
    """Each rank's sums of its vectors, in turn."""

    def rank(number):
        ring = Ring(seats[number], number, len(seats))
        found = [ring.sum(vector) for vector in vectors[number]]
        ring.leave()
        return found

    with ThreadPoolExecutor(len(seats)) as pool:
        return list(pool.map(rank, range(len(seats))))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_ring_sums_vectors_of_any_length_to_the_same_bits_on_all_ranks(seats, size):
    random = np.random.default_rng(size)
    vectors = [
        [random.normal(size=1_001).astype(np.float32), random.normal(size=2), np.zeros(0), np.arange(7) + rank]
        for rank in range(size)
    ]
    found = summed(seats(size), vectors)
    for place in range(4):
        expected = np.sum([of_rank[place] for of_rank in vectors], axis=0)
        assert found[0][place].dtype == vectors[0][place].dtype
        np.testing.assert_allclose(found[0][place], expected, rtol=1e-5, atol=1e-6)
        assert all(of_rank[place].tobytes() == found[0][place].tobytes() for of_rank in found)


def test_neighbours_may_have_addresses_of_both_kinds(seats):
    ring = seats(3, ("127.0.0.1", "::1"))
    assert {seat.address.rpartition(":")[0] for seat in ring} == {"tcp://127.0.0.1", "tcp://[::1]"}
    assert [found[0].tolist() for found in summed(ring, [[np.ones(4)]] * 3)] == [[3, 3, 3, 3]] * 3


def test_nothing_is_told_to_a_stranger_in_a_neighbour_s_place(seats):
    """One who listens where rank 1 should, with keys of its own."""
    import zmq
    from zmq.auth.thread import ThreadAuthenticator

    ring, context = seats(2), zmq.Context()
    guard = ThreadAuthenticator(context)
    guard.start()
    guard.configure_curve(domain="*", location=zmq.auth.CURVE_ALLOW_ANY)
    with context.socket(zmq.PULL) as stranger:
        stranger.curve_server = True
        public, secret = new_keys()
        stranger.curve_publickey, stranger.curve_secretkey = public.encode(), secret.encode()
        stranger.bind(ring[1].address)
        own = Ring(ring[0], 0, 2)
        own._behind.send(b"a gradient")
        assert not stranger.poll(1_500)
        own._behind.close(linger=0)
        own.leave()
    guard.stop()
    context.term()


@pytest.mark.parametrize("has_keys", [True, False])
def test_a_stranger_is_neither_heard_by_a_ring_nor_told_anything(seats, has_keys):
    """One with keys of its own, and one that does not encrypt, tell rank 0 something before rank 1 does."""
    import zmq

    ring, context = seats(2), zmq.Context()
    with context.socket(zmq.PUSH) as stranger, ThreadPoolExecutor(1) as pool:
        stranger.linger = 0
        if has_keys:
            public, secret = new_keys()
            stranger.curve_publickey, stranger.curve_secretkey = public.encode(), secret.encode()
            stranger.curve_serverkey = ring[0].public_key.encode()
        stranger.connect(ring[0].address)
        stranger.send(np.full(2, 1e9).tobytes())
        first = pool.submit(lambda: summed_by(ring, 0))
        time.sleep(1)
        assert summed_by(ring, 1).tolist() == first.result().tolist() == [2, 2, 2, 2]
    context.term()


def summed_by(seats, number):
    ring = Ring(seats[number], number, len(seats))
    found = ring.sum(np.ones(4))
    ring.leave()
    return found


def test_horovod_s_server_answers_who_knows_the_word_and_listens_on_one_address():
    pytest.importorskip("horovod")
    with horovod.Server("127.0.0.1", "token") as server:
        said = horovod.environment(
            replace(SPEC, engine="horovod"),
            places([Member(0, "127.0.0.1", "a", 1, 0, {}, ports={"server": server.port})])[0],
            "token",
        )
        address = f"http://{said['HOROVOD_GLOO_RENDEZVOUS_ADDR']}:{said['HOROVOD_GLOO_RENDEZVOUS_PORT']}"
        put = urllib.request.Request(f"{address}/some/key", data=b"value", method="PUT")
        assert urllib.request.urlopen(put).status == 200
        assert urllib.request.urlopen(f"{address}/some/key").read() == b"value"
        for path in ("some/key", "/some/key", "wrong/:9/some/key", ""):
            for method, data in (("GET", None), ("PUT", b"other"), ("DELETE", None)):
                url = f"http://127.0.0.1:{server.port}/{path}"
                with pytest.raises(urllib.error.HTTPError, match="403"):
                    urllib.request.urlopen(urllib.request.Request(url, data=data, method=method))
        assert urllib.request.urlopen(f"{address}/some/key").read() == b"value"
        listening = [each.laddr for each in psutil.Process().net_connections() if each.status == psutil.CONN_LISTEN]
        assert ("127.0.0.1", server.port) in listening

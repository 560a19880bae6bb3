"""The extras install and work: two Horovod ranks sum a number."""

import os
import subprocess
import sys

RANK = """
import horovod.tensorflow as hvd, tensorflow as tf
hvd.init()
print(float(hvd.allreduce(tf.constant(hvd.rank() + 1.0), op=hvd.Sum)))
"""


def environment(rank: int, port: int) -> dict[str, str]:
    ours = {
        "RANK": rank, "SIZE": 2, "LOCAL_RANK": rank, "LOCAL_SIZE": 2, "CROSS_RANK": 0, "CROSS_SIZE": 1,
        "HOSTNAME": "localhost", "GLOO_RENDEZVOUS_ADDR": "127.0.0.1", "GLOO_RENDEZVOUS_PORT": port,
        "GLOO_IFACE": "lo", "CONTROLLER": "gloo", "CPU_OPERATIONS": "gloo",
    }  # fmt: skip
    return {**os.environ, **{f"HOROVOD_{name}": str(value) for name, value in ours.items()}}


def test_two_horovod_ranks_sum_a_number():
    from horovod.runner.common.util.hosts import get_host_assignments, parse_hosts
    from horovod.runner.http.http_server import RendezvousServer

    server = RendezvousServer()
    port = server.start()
    server.init(get_host_assignments(parse_hosts("localhost:2"), 2))
    try:
        ranks = [
            subprocess.Popen(
                [sys.executable, "-c", RANK], env=environment(rank, port), stdout=subprocess.PIPE, text=True
            )
            for rank in range(2)
        ]
        printed = [rank.communicate(timeout=120)[0].strip() for rank in ranks]
    finally:
        server.stop()
    assert printed == ["3.0", "3.0"]

"""The watch over sockets that all tests stand under sees what it is there for."""

import socket
import subprocess
import sys

import pytest

from ports import Watch


@pytest.mark.listens
@pytest.mark.parametrize(("host", "is_open"), [("127.0.0.1", False), ("0.0.0.0", True), ("::", True), ("::1", False)])
def test_a_socket_that_anybody_can_reach_is_found_here_and_in_a_process_below(host, is_open):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    code = (
        f"import socket; s = socket.create_server(({host!r}, 0), family={int(family)}); "
        "print(s.getsockname()[1], flush=True); input()"
    )
    watch = Watch()
    with (
        socket.create_server((host, 0), family=family) as server,
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child,
    ):
        ports = {server.getsockname()[1], int(child.stdout.readline())}
        watch.look()
        child.stdin.close()
    assert {int(found.partition(" (")[0].rpartition(":")[2]) for found in watch.found} == (ports if is_open else set())

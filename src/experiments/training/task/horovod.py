"""How Horovod's ranks find each other: a server that answers nobody else, on one address, and what they are told."""

from __future__ import annotations

import hmac
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Self

from experiments.training.spec import TrainingSpec
from experiments.training.task.rendezvous import Member, Place

_ROWS_OF_LONG_STEPS = 1024


class Server:
    """Where Horovod's ranks look each other up, until the end of the block. Runs in the first rank's task.

    Horovod's own listens on all addresses and answers everybody. This is its handler behind one address, for paths that
    begin with a word that follows from the token.

    Args:
        host: the one address at which it listens.
        token: which all tasks know and nobody else.

    Attributes:
        port: at which it listens.
    """

    def __init__(self, host: str, token: str) -> None:
        from horovod.runner.http.http_server import RendezvousHandler, RendezvousHTTPServer

        word = _word(token)

        class Handler(RendezvousHandler):  # type: ignore[misc]  # Horovod has no types
            def parse_request(self) -> bool:
                if not super().parse_request():
                    return False
                _, first, *rest = self.path.split("/") if self.path.startswith("/") else ("", "", "")
                if not hmac.compare_digest(first.encode(), word.encode()):
                    self.send_error(403)
                    return False
                # Horovod puts what it takes for the port behind the address.
                self.path: str = "/" + "/".join(rest[1:])
                return True

        self._server = RendezvousHTTPServer((host, 0), Handler, 0)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def tell(self, members: Sequence[Member], found: Mapping[int, Place]) -> None:
        """Who is where."""
        from horovod.runner.common.util.hosts import SlotInfo

        slots = []
        for member in members:
            place = found[member.shard]
            slots.append(
                SlotInfo(
                    member.machine,  # two containers may share an address, not the ranks that are local to them
                    place.rank,
                    place.local_rank,
                    place.cross_rank,
                    place.size,
                    place.local_size,
                    place.cross_size,
                )
            )
        self._server.init(slots)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _word(token: str) -> str:
    """What paths begin with: in it, nobody who listens on the way reads the token itself."""
    return hmac.digest(token.encode(), b"horovod", sha256).hex()


def environment(spec: TrainingSpec, place: Place, token: str) -> dict[str, str]:
    """What Horovod is told by environment variables; nothing for another engine."""
    if spec.engine != "horovod":
        return {}
    hosts, first = [member.host for member in place.members], place.members[0]
    # Horovod's requests would go through a proxy otherwise.
    known = [os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    direct = ",".join(dict.fromkeys([*filter(None, known), *hosts, "localhost"]))
    rows = spec.batch_size // spec.world_size
    port = first.ports["server"]
    told = {
        "RANK": place.rank,
        "SIZE": place.size,
        "LOCAL_RANK": place.local_rank,
        "LOCAL_SIZE": place.local_size,
        "CROSS_RANK": place.cross_rank,
        "CROSS_SIZE": place.cross_size,
        "HOSTNAME": place.members[place.rank].machine,
        # It makes http://ADDR:PORT/scope/key of these. The word that the server wants goes before the scope.
        "GLOO_RENDEZVOUS_ADDR": f"{hosts[0]}:{port}/{_word(token)}/",
        "GLOO_RENDEZVOUS_PORT": port,
        "GLOO_IFACE": interface(hosts[place.rank]),
        "CONTROLLER": "gloo",
        "CPU_OPERATIONS": "gloo",
        # Gloo gives up after 30 s otherwise, which is less than some take to import TensorFlow, and a rank that stalls
        # is waited for for ever.
        "GLOO_TIMEOUT_SECONDS": max(300, int(spec.stall_seconds)),
        "STALL_CHECK_TIME_SECONDS": 60,
        "STALL_SHUTDOWN_TIME_SECONDS": max(120, int(spec.stall_seconds)),
        # How often, in ms, its thread looks for work, which takes a tenth of a core from short looks. Where steps are
        # long it need not.
        "CYCLE_TIME": os.environ.get("HOROVOD_CYCLE_TIME") or (5 if rows >= _ROWS_OF_LONG_STEPS else 1),
    }
    return {"no_proxy": direct, "NO_PROXY": direct, **{f"HOROVOD_{name}": str(value) for name, value in told.items()}}


def interface(host: str) -> str:
    """Name of the network interface that has an address."""
    import psutil

    wanted = str(socket.getaddrinfo(host, None)[0][4][0])
    for name, addresses in psutil.net_if_addrs().items():
        if any(address.address == wanted for address in addresses):
            return str(name)
    return "lo" if wanted.startswith("127.") else next(name for name in psutil.net_if_addrs() if name != "lo")

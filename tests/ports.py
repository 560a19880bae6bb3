"""Which sockets of the tests' processes listen beyond loopback, looked up all the time."""

import contextlib
import ipaddress
import os
import struct
import threading
import time
from collections import Counter

import psutil

SECONDS_BETWEEN_LOOKS = 0.1
MOST_LOOKS = 20
_LISTENS = "0A"


class Watch(threading.Thread):
    """Looks as long as this process lives.

    Attributes:
        found: what listened at which address: `address:port (command)`.
    """

    def __init__(self):
        super().__init__(name="watch-ports", daemon=True)
        self.found = set()
        # A session of Spark's may be there already; it is ours all the same.
        self._others = {inode: place for inode, place in listening().items() if owner_of(inode) is None}
        self._fruitless = Counter()

    def run(self):
        while True:
            self.look()
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def look(self):
        for inode, (address, port) in listening().items() - self._others.items():
            owner = owner_of(inode)
            if owner is not None:
                self.found.add(f"{address}:{port} ({owner})")
                continue
            # Of somebody else on this machine, or gone, or just on its way from one process to another.
            self._fruitless[inode] += 1
            if self._fruitless[inode] >= MOST_LOOKS:
                self._others[inode] = (address, port)

    def taken(self):
        """What was found since the last time, up to now."""
        assert self.is_alive()
        self.look()
        found = set(self.found)
        self.found -= found
        return found


def listening():
    """Addresses beyond loopback at which anybody on this machine listens, by inodes."""
    found = {}
    for name in ("tcp", "tcp6"):
        with open(f"/proc/net/{name}") as table:
            for line in table.readlines()[1:]:
                words = line.split()
                address, port = words[1].split(":")
                # Words of 32 bits, each as this machine keeps it.
                raw = b"".join(struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8))
                place = ipaddress.ip_address(raw)
                mapped = getattr(place, "ipv4_mapped", None) or place
                if words[3] == _LISTENS and not mapped.is_loopback:
                    found[words[9]] = (str(place), int(port, 16))
    return found


def owner_of(inode):
    """The command of this process, or of the one below it, that has a socket open; or None."""
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        with contextlib.suppress(OSError, psutil.Error):
            if any(target == f"socket:[{inode}]" for target in _open_files(process.pid)):
                with contextlib.suppress(psutil.Error):
                    return " ".join(process.cmdline())[:200]
                return f"process {process.pid}, which has ended"
    return None


def _open_files(pid):
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):  # closed meanwhile
            yield os.readlink(f"{folder}/{name}")

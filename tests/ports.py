"""Which sockets of the tests' processes listen beyond loopback, looked up all the time."""

import contextlib
import ipaddress
import os
import struct
import threading
import time

import psutil

SECONDS_BETWEEN_LOOKS = 0.1
_LISTENS = "0A"


class Watch(threading.Thread):
    """Looks as long as this process lives.

    Attributes:
        found: what listened at which address: `address:port (command)`.
    """

    def __init__(self):
        super().__init__(name="watch-ports", daemon=True)
        self.found = set()
        self._others = listening()

    def run(self):
        while True:
            self.look()
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def look(self):
        for inode, (address, port) in listening().items() - self._others.items():
            owner = owner_of(inode)
            if owner is not None:
                self.found.add(f"{address}:{port} ({' '.join(owner.cmdline())[:200]})")
            else:  # of somebody else on this machine, or gone
                self._others[inode] = (address, port)


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
    """This process or the one below it that has a socket open, or None."""
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        with contextlib.suppress(OSError, psutil.Error):
            folder = f"/proc/{process.pid}/fd"
            if any(os.readlink(f"{folder}/{name}") == f"socket:[{inode}]" for name in os.listdir(folder)):
                return process
    return None

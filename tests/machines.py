"""Machines on one: namespaces with an address, a name, an /etc/hosts and a /tmp of their own, and a folder for all."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

# Where all of them see one folder, as they would by NFS.
SHARED = "/mnt"
# Commands are typed at the desk, whose /tmp is this machine's.
DESK = "desk"
NAMES = {"head": 10, "one": 11, "two": 12, DESK: 20}
_ENTER = """
name=$0 folder=$1; shift
hostname "$name"
mount --bind "$folder/hosts" /etc/hosts
mount --bind "$folder/shared" /mnt
[ "$name" = desk ] || mount --bind "$folder/$name" /tmp
exec "$@"
"""


def why_there_are_none():
    """Why namespaces cannot be made here, or None."""
    if os.geteuid() or not all(map(shutil.which, ("ip", "unshare", "mount"))):
        return "machines are namespaces, which take root, iproute2 and util-linux"
    tried = subprocess.run(["unshare", "--net", "--mount", "--uts", "true"], capture_output=True, text=True)
    return f"no namespaces can be made here: {tried.stderr.strip()}" if tried.returncode else None


class Machines:
    """Four of them on one bridge: `head`, `one`, `two` and `desk`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._mark = folder, f"x{os.getpid() % 10_000}"
        self._net = f"10.77.{os.getpid() % 250}"
        lines = ["127.0.0.1 localhost", *(f"{self._net}.{number} {name}" for name, number in NAMES.items())]
        (folder / "hosts").write_text("\n".join(lines) + "\n")
        for name in ("shared", *NAMES):
            (folder / name).mkdir()
            (folder / name).chmod(0o1777)

    def start(self) -> None:
        bridge = f"{self._mark}b"
        _ip("link", "add", bridge, "type", "bridge")
        _ip("link", "set", bridge, "up")
        for name, number in NAMES.items():
            space, cable = self._space(name), self._cable(name)
            _ip("netns", "add", space)
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("link", "set", cable, "master", bridge, "up")
            _ip("-n", space, "link", "set", "lo", "up")
            _ip("-n", space, "addr", "add", f"{self._net}.{number}/24", "dev", "eth0")
            _ip("-n", space, "link", "set", "eth0", "up")

    def stop(self) -> None:
        for name in NAMES:
            pids = subprocess.run(["ip", "netns", "pids", self._space(name)], capture_output=True, text=True).stdout
            for pid in map(int, pids.split()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", self._space(name)], capture_output=True)
        subprocess.run(["ip", "link", "del", f"{self._mark}b"], capture_output=True)

    def on(self, name: str) -> list[str]:
        """The words before those of a command that runs there."""
        enter = ["unshare", "--mount", "--uts", "sh", "-c", _ENTER, name, str(self._folder)]
        return ["ip", "netns", "exec", self._space(name), *enter]

    def _space(self, name: str) -> str:
        return f"{self._mark}-{name}"

    def _cable(self, name: str) -> str:
        return f"{self._mark}v{name}"


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


@contextlib.contextmanager
def machines(folder: Path):
    """Four machines, gone at the end with all that runs on them."""
    made = Machines(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()

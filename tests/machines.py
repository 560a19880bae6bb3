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
NAMES = {"head": 10, "one": 11, "two": 12, "three": 13, DESK: 20}
_ENTER = """
name=$0 folder=$1 hidden=$2; shift 2
hostname "$name"
mount --bind "$folder/hosts" /etc/hosts
mount --bind "$folder/shared" /mnt
if [ "$name" != desk ]; then
  mount --bind "$folder/$name" /tmp
  for each in $hidden; do mount -t tmpfs none "$each"; done
fi
exec "$@"
"""


def why_there_are_none():
    """Why namespaces cannot be made here, or None."""
    if os.geteuid() or not all(map(shutil.which, ("ip", "unshare", "mount"))):
        return "machines are namespaces, which take root, iproute2 and util-linux"
    tried = subprocess.run(["unshare", "--net", "--mount", "--uts", "true"], capture_output=True, text=True)
    return f"no namespaces can be made here: {tried.stderr.strip()}" if tried.returncode else None


class Machines:
    """Five of them on one bridge: `head`, `one`, `two`, `three` and `desk`.

    Attributes:
        hidden: folders that are empty on all but the desk, for what starts from then on.
        shared: what all see as `SHARED`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._mark = folder, f"x{os.getpid() % 10_000}"
        self._net = f"10.77.{os.getpid() % 250}"
        self.hidden: list[Path] = []
        self.shared = folder / "shared"
        lines = ["127.0.0.1 localhost", *(f"{self.address(name)} {name}" for name in NAMES)]
        (folder / "hosts").write_text("\n".join(lines) + "\n")
        for name in ("shared", *NAMES):
            (folder / name).mkdir()
            (folder / name).chmod(0o1777)

    def start(self) -> None:
        bridge = f"{self._mark}b"
        _ip("link", "add", bridge, "type", "bridge")
        _ip("link", "set", bridge, "up")
        for name in NAMES:
            space, cable = self._space(name), self._cable(name)
            _ip("netns", "add", space)
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("link", "set", cable, "master", bridge, "up")
            _ip("-n", space, "link", "set", "lo", "up")
            _ip("-n", space, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
            _ip("-n", space, "link", "set", "eth0", "up")

    def stop(self) -> None:
        for name in NAMES:
            pids = subprocess.run(self.pids(name), capture_output=True, text=True).stdout
            for pid in map(int, pids.split()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", self._space(name)], capture_output=True)
        subprocess.run(["ip", "link", "del", f"{self._mark}b"], capture_output=True)

    def cut(self, name: str) -> None:
        """Draw its cable: what it sends is lost from then on, and nobody is told."""
        _ip("link", "set", self._cable(name), "down")

    def join(self, name: str) -> None:
        """Put its cable in again."""
        _ip("link", "set", self._cable(name), "up")

    def address(self, name: str) -> str:
        return f"{self._net}.{NAMES[name]}"

    def pids(self, name: str) -> list[str]:
        """The command that lists the processes there."""
        return ["ip", "netns", "pids", self._space(name)]

    def on(self, name: str) -> list[str]:
        """The words before those of a command that runs there."""
        enter = ["unshare", "--mount", "--uts", "sh", "-c", _ENTER, name, str(self._folder)]
        enter.append(" ".join(map(str, self.hidden)))
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
    """Five machines, gone at the end with all that runs on them."""
    made = Machines(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()

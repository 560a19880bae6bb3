"""PostgreSQL on loopback: a real one, which may be stopped and started again."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

# Debian keeps its programs out of PATH.
_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
# It refuses to run as root, and then runs as the user that its package has made.
_USER = "postgres"


def why_there_is_none():
    """Why it cannot be started here, or None."""
    if _program("initdb") is None:
        return "there is no PostgreSQL here: apt-get install postgresql"
    if os.geteuid() == 0:
        tried = subprocess.run(["id", _USER], capture_output=True, text=True)
        return f"PostgreSQL does not run as root: {tried.stderr.strip()}" if tried.returncode else None
    return None


class Postgres:
    """A database `mlflow` in a folder of its own.

    Attributes:
        uri: as SQLAlchemy wants it; stays, however often it starts.
    """

    def __init__(self) -> None:
        # Not below pytest's folder, which other users cannot enter.
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._as = {"user": _USER, "group": _USER, "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(self._folder, _USER, _USER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.uri = f"postgresql+psycopg2://me@127.0.0.1:{self._port}/mlflow"
        self._do("initdb", "-D", "data", "-U", "me", "-A", "trust", "--no-sync")
        self.start()
        self._do("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "me", "mlflow")

    def start(self) -> None:
        """Start it, and wait until it answers. What it has taken need not outlive this machine (-F)."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -k {self._folder} -F"
        self._do("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self) -> None:
        """End it and cut its connections at once, as where its machine goes down."""
        self._do("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")

    def remove(self) -> None:
        """End it, if it runs, and its folder."""
        with contextlib.suppress(AssertionError):
            self.stop()
        shutil.rmtree(self._folder)

    def _do(self, name: str, *words: str) -> None:
        said = self._folder / "said"
        with said.open("wb") as told:  # no pipe, which what pg_ctl starts would keep open
            done = subprocess.run([_program(name), *words], cwd=self._folder, stdout=told, stderr=told, **self._as)
        assert done.returncode == 0, said.read_text()


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([*map(str, _PLACES), os.environ["PATH"]]))


@contextlib.contextmanager
def postgres():
    """A PostgreSQL that has started, gone at the end with all that it holds."""
    made = Postgres()
    try:
        yield made
    finally:
        made.remove()

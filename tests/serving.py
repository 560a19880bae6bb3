"""A tracking server of a test's own: a real one on loopback, which may be killed and started again."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

PROGRAMS = Path(sys.executable).parent
_QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


class Server:
    """`mlflow server` over the store in a folder, or another one, and artifacts in the folder.

    Attributes:
        uri: stays, however often it starts.
    """

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self._folder, self._store = folder, store or f"sqlite:///{folder / 'mlflow.db'}"
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        words = [
            *(str(PROGRAMS / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"),
            *("--backend-store-uri", self._store),
            *("--artifacts-destination", str(self._folder / "kept")),
        ]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                words, env={**os.environ, **_QUIET}, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + 180
        while not self._answers():
            assert time.monotonic() < end, (self._folder / "server.log").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """End it and its workers at once, if it runs."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{self.uri}/health", timeout=1).close()
            return True
        return False


@contextlib.contextmanager
def serving(folder: Path, store: str | None = None):
    """A server that is started, and killed in the end."""
    server = Server(folder, store)
    server.start()
    try:
        yield server
    finally:
        server.kill()

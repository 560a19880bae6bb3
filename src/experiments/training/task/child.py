"""A rank's training process, from its start to its end. Runs in the Spark task beside it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.training.rank.folder import EPOCHS, FAILURE, PULSE, REPORT, Pulse
from experiments.training.task.alarm import Alarm

LOG = "rank.log"
LOG_BYTES = 64 * 1024
SECONDS_BETWEEN_LOOKS = 0.05
# A rank that waits for the others is not what stalls, so it is given longer.
_SECONDS_MORE_FOR_WAITING = 15.0
_SECONDS_TO_DUMP = 1.0


@dataclass(frozen=True)
class Ending:
    """How a training process ended.

    Attributes:
        problem: why it failed, or empty.
        trace: where.
        is_consequence: whether it only ended because another did.
        at: when, in seconds since 1970.
    """

    problem: str = ""
    trace: str = ""
    is_consequence: bool = False
    at: float = 0.0


def start(folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The process; what it prints goes to a file."""
    Pulse(folder / PULSE, "w+")
    words = [sys.executable, "-u", "-m", "experiments.training.rank.worker", str(folder)]
    with (folder / LOG).open("wb") as log:
        # A session of its own: Ctrl-C in a terminal is the driver's to answer.
        return subprocess.Popen(
            words, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def watch(
    process: subprocess.Popen[bytes], folder: Path, alarm: Alarm, stall_seconds: float, tell: Callable[[str], None]
) -> Ending:
    """Wait for the process to end; end it when another rank has failed or when it stalls.

    Args:
        tell: gets each line that the process writes about an epoch.
    """
    pulse, epochs = Pulse(folder / PULSE), _Lines(folder / EPOCHS)
    beats, since = -1, time.monotonic()
    while process.poll() is None:
        for line in epochs.new():
            tell(line)
        if alarm.ringing.is_set():
            _kill(process)
            return Ending("ended, as another rank has failed", "", True, time.time())
        if pulse.beats != beats:
            beats, since = pulse.beats, time.monotonic()
        patience = stall_seconds + (_SECONDS_MORE_FOR_WAITING if pulse.waits else 0)
        if time.monotonic() - since > patience:
            return _stalled(process, folder, pulse.waits, stall_seconds)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    for line in epochs.new():
        tell(line)
    if (folder / REPORT).exists():  # written last, when all ranks were done
        return Ending()
    return _failed(process.returncode, folder, pulse.waits)


def log_tail(folder: Path) -> str:
    """The end of what the process printed."""
    path = folder / LOG
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        return file.read().decode(errors="replace")


def _failed(code: int, folder: Path, waits: bool) -> Ending:
    path = folder / FAILURE
    if path.exists():
        told = json.loads(path.read_text())
        return Ending(told["message"], told["trace"], waits, time.time())
    if code < 0:
        name = signal.Signals(-code).name
        reason = f"its training process was ended by {name}"
        if name == "SIGKILL":
            reason += ", as the operating system does where memory runs out"
        # Engines abort a process whose peers are gone.
        return Ending(reason, log_tail(folder)[-4000:], waits and name != "SIGKILL", time.time())
    return Ending(f"its training process ended with exit code {code}", log_tail(folder)[-4000:], waits, time.time())


def _stalled(process: subprocess.Popen[bytes], folder: Path, waits: bool, seconds: float) -> Ending:
    """Have the process write down where each of its threads is, then end it."""
    process.send_signal(signal.SIGUSR1)
    time.sleep(_SECONDS_TO_DUMP)
    _kill(process)
    what = "waited for the other ranks" if waits else "did not get on"
    return Ending(
        f"{what} for {seconds:g} s (stallTimeout); its log says where it stood",
        log_tail(folder)[-8000:],
        waits,
        time.time(),
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


class _Lines:
    """Whole lines that are added to a file."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, 0

    def new(self) -> list[str]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        return whole.decode().splitlines()

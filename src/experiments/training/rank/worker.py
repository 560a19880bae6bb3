"""One rank's training process: `python -m experiments.training.rank.worker FOLDER`.

FOLDER holds `setup.json` and the rank's rows; what comes of it is written there. Nothing of Spark, Hydra or MLflow is
imported here, and TensorFlow only once this process is sure to end with the one that started it.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.training.rank.collectives import Collective, join
from experiments.training.rank.folder import FAILURE, PULSE, SETUP, Pulse
from experiments.training.rank.importing import import_keras
from experiments.training.rank.loop import Training
from experiments.training.spec import RankSetup

_PR_SET_PDEATHSIG = 1


class Watched:
    """A collective of which it can be seen from outside that a rank waits in it for the others."""

    def __init__(self, collective: Collective, pulse: Pulse) -> None:
        self._collective, self._pulse = collective, pulse
        self.rank, self.size = collective.rank, collective.size

    def sum(self, tensors: Sequence[Any]) -> list[Any]:
        self._pulse.beat(waits=True)
        summed = self._collective.sum(tensors)
        self._pulse.beat()
        return summed

    def leave(self) -> None:
        self._collective.leave()


def main(folder: Path) -> int:
    """Train; a failure is told in `failure.json`, and the exit code is 1."""
    setup = RankSetup.from_json((folder / SETUP).read_text())
    _end_with_parent(setup.parent)
    faulthandler.register(signal.SIGUSR1)
    pulse = Pulse(folder / PULSE, "r+")
    try:
        train(setup, folder, pulse)
    except Exception as error:  # Keras, TensorFlow and Horovod each have their own
        text = {"message": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
        traceback.print_exc()
        (folder / FAILURE).write_text(json.dumps(text))
        return 1
    return 0


def train(setup: RankSetup, folder: Path, pulse: Pulse) -> None:
    """Meet the other ranks, train, and leave the result in the folder."""
    spec = setup.training
    started = time.perf_counter()
    pulse.beat(waits=True)
    collective = _join(setup)
    pulse.beat()
    training = Training(setup, folder, Watched(collective, pulse), pulse)
    training.resume()
    while not training.is_done:
        training.run_epoch()
    training.finish(time.perf_counter() - started)
    collective.leave()
    print(f"rank {setup.rank} of {spec.world_size} is done", flush=True)


def _join(setup: RankSetup) -> Collective:
    import_keras()
    import tensorflow as tf

    # Within an operation and beside each other; engines have threads of their own for what they send.
    tf.config.threading.set_intra_op_parallelism_threads(setup.threads)
    tf.config.threading.set_inter_op_parallelism_threads(setup.threads)
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
    collective = join(setup)
    tf.config.experimental.enable_op_determinism()
    if (collective.rank, collective.size) != (setup.rank, setup.training.world_size):
        raise RuntimeError(
            f"this is rank {setup.rank} of {setup.training.world_size}, but {setup.training.engine} says "
            f"{collective.rank} of {collective.size}"
        )
    return collective


def _end_with_parent(parent: int) -> None:
    """Spark kills its Python workers, but nobody kills what they have started."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    # Not by way of what the engines do at exit: they wait for, or complain of, ranks that have left before.
    os._exit(code)

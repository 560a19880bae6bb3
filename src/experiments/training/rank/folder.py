"""What lies in the folder that a rank's training process shares with the Spark task that started it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SETUP, EPOCHS, REPORT, FAILURE, MODEL, PULSE = (
    *("setup.json", "epochs.jsonl", "report.json", "failure.json"),
    *("model.keras", "pulse"),
)


class Pulse:
    """Tells who watches that this rank gets on, and whether it waits for the others."""

    def __init__(self, path: Path, mode: Any = "r") -> None:
        self._values = np.memmap(path, np.int64, mode, shape=(2,))

    @property
    def beats(self) -> int:
        return int(self._values[0])

    @property
    def waits(self) -> bool:
        return bool(self._values[1])

    def beat(self, waits: bool = False) -> None:
        self._values[1] = waits
        self._values[0] += 1

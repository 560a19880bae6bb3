"""What the spool costs a run whose tracking server answers: nothing that could be measured.

    uv run python benchmarks/single_run/spool.py [--runs 7]

One server, and two commands that take turns: as it is, and with `tracking.spool=null`. Prints the medians, and of each
turn the one's seconds over the other's.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from run import PROGRAMS, timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="counted turns, after one that is not")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, server(Path(made)) as uri:
        common = [str(PROGRAMS / "experiments"), "model=ridge", "tracking=server", f"tracking.uri={uri}"]
        seconds: dict[str, list[float]] = {"tracking.spool=spool": [], "tracking.spool=null": []}
        for turn in range(args.runs + 1):
            # Whoever comes second in one turn comes first in the next.
            for word in sorted(seconds, reverse=turn % 2 == 1):
                place = Path(made) / word
                place.mkdir(exist_ok=True)
                taken, _ = timed([*common, word], place)
                if turn:
                    seconds[word].append(taken)
    for word, taken in seconds.items():
        print(f"  {word:20} median {statistics.median(taken):6.2f} s  ({min(taken):.2f} to {max(taken):.2f})")
    ratios = [one / other for one, other in zip(*seconds.values(), strict=True)]
    print(f"  of each turn: median {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A tracking server of MLflow's on loopback, with a store of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/store.db", "--artifacts-destination", str(folder / "kept")]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen([str(PROGRAMS / "mlflow"), *words, *stores], stdout=log, stderr=log)
    try:
        uri, end = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while not answers(uri):
            assert time.monotonic() < end, (folder / "server.log").read_text()
            time.sleep(0.2)
        yield uri
    finally:
        process.terminate()
        process.wait(30)


def answers(uri: str) -> bool:
    try:
        return requests.get(f"{uri}/health", timeout=5).ok
    except requests.ConnectionError:
        return False


if __name__ == "__main__":
    main()

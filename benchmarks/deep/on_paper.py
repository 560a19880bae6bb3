"""What the design would cost at more ranks than there are here: a model on paper, from figures that are measured.

    python benchmarks/deep/on_paper.py

A step is the computing of a rank's share, which does not change, and a ring all-reduce of all gradients, of which each
rank sends and receives 2 (n - 1) / n in 2 (n - 1) messages. Nothing of it was run at these sizes.
"""

from __future__ import annotations

# Measured by `run.py` on two cores, 2026-11-26; see README.md beside the other benchmarks.
SPOOL_BYTES = 51e6 / 2  # a second and rank: from the cached DataFrame to the rank's disk
LAUNCH_SECONDS = 5.0  # from the job's start to the first step: Python, TensorFlow, the meeting
MESSAGE_SECONDS = 1e-3  # of the smallest sum of two ranks, half of what it took
# Of the networks there would be: 10 Gbit/s between machines, of which seven tenths are reached.
NETWORK_BYTES = 0.7 * 10e9 / 8

NETWORKS = (
    # weights, seconds of computing a rank's share of a step, rows of a rank
    ("1.2 million weights, 8,192 rows a rank, one core", 1_154_049, 0.38, 8192),
    ("25 million weights (ResNet-50), 64 images a rank, a GPU", 25_600_000, 0.17, 64),
)


def step(weights: int, compute: float, ranks: int) -> float:
    """Seconds of a step."""
    bytes_sent = 4 * weights * 2 * (ranks - 1) / ranks
    return compute + bytes_sent / NETWORK_BYTES + 2 * (ranks - 1) * MESSAGE_SECONDS / 10


def main() -> None:
    print("| network | ranks | a step, s | efficiency | GB summed a step, all ranks | spooling 100 GB, s | launch, s |")
    print("|---|---|---|---|---|---|---|")
    for name, weights, compute, _ in NETWORKS:
        for ranks in (1, 2, 64, 512):
            seconds = step(weights, compute, ranks) if ranks > 1 else compute
            moved = 4 * weights * 2 * (ranks - 1) / 1e9
            spool = 100e9 / ranks / SPOOL_BYTES
            print(
                f"| {name} | {ranks} | {seconds:.3f} | {compute / seconds:.2f} | {moved:.2f} | {spool:,.0f} "
                f"| {LAUNCH_SECONDS:.0f} |"
            )


if __name__ == "__main__":
    main()

"""What the design would cost at more ranks than there are here: a model on paper, fed by what `run.py` measured.

    python benchmarks/deep/on_paper.py

A step is the computing of a rank's share, which stays the same, and then a ring all-reduce of all gradients: each rank
sends 2 (n - 1) / n of their bytes in 2 (n - 1) messages, one after another. Nothing was run at these sizes.
"""

from __future__ import annotations

# Measured on two cores, 2026-11-26 (README.md of the benchmarks).
SUM_SECONDS = 2.4e-3  # of the smallest sum of two ranks, most of it the calling
SPOOL_BYTES = 25e6  # a second and rank, from a cached DataFrame to the rank's disk
LAUNCH_SECONDS = 5.0  # until the first step: Python, TensorFlow, the meeting
# Assumed of machines with 25 Gbit/s between them: what is reached, and how long a message takes at the least.
NETWORK_BYTES = 0.8 * 25e9 / 8
MESSAGE_SECONDS = 50e-6

NETWORKS = (
    # What, weights, seconds of computing a rank's share of a step.
    ("1.2 million weights, 8,192 rows a rank on a core (measured)", 1_154_049, 0.39),
    # Horovod's page of benchmarks has 1656.82 images a second on 16 GPUs.
    ("ResNet-101, 44.5 million weights, 64 images a GPU", 44_500_000, 64 / (1656.82 / 16)),
)


def step(weights: int, compute: float, ranks: int) -> float:
    """Seconds of a step."""
    if ranks == 1:
        return compute
    sent = 4 * weights * 2 * (ranks - 1) / ranks
    return compute + SUM_SECONDS + sent / NETWORK_BYTES + 2 * (ranks - 1) * MESSAGE_SECONDS


def main() -> None:
    print("| network | ranks | a step, s | efficiency | GB that all send a step | spooling 100 GB, s | launch, s |")
    print("|---|---|---|---|---|---|---|")
    for name, weights, compute in NETWORKS:
        for ranks in (1, 2, 64, 512):
            seconds, sent = step(weights, compute, ranks), 4 * weights * 2 * (ranks - 1) / 1e9
            print(
                f"| {name} | {ranks} | {seconds:.3f} | {compute / seconds:.2f} | {sent:.2f} "
                f"| {100e9 / ranks / SPOOL_BYTES:,.0f} | {LAUNCH_SECONDS:.0f} |"
            )


if __name__ == "__main__":
    main()

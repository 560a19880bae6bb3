"""Draws docs/floors.svg: the rooms of the package on their floors, and which of them import which.

uv run python docs/floors.py
"""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import grimp
import matplotlib as mpl
from matplotlib.figure import Figure

DOCS = Path(__file__).parent
KNOWN_TO_ALL = ("config", "errors", "redaction")
INK, LINE, ROOM = "#222222", "#2c6fbb", "#e8f1fb"


def main() -> None:
    contracts = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = [floor.split(" | ") for floor in contracts[0]["layers"]]
    graph = grimp.build_graph("experiments", cache_dir=None)
    places = {}
    for level, floor in enumerate(reversed(floors)):
        for number, room in enumerate(floor):
            # Not above each other, so that arrows between floors can be told apart.
            shift = 2.1 * (level % 3 - 1)
            places[room] = (3.6 * (number - (len(floor) - 1) / 2) + shift, level)
    mpl.rcParams["svg.hashsalt"] = "floors"  # the same picture each time
    figure = Figure(figsize=(8, 9))
    axes = figure.subplots()
    for one, other in itertools.permutations(places, 2):
        if other in KNOWN_TO_ALL:
            continue
        imports = graph.find_shortest_chains(f"experiments.{one}", f"experiments.{other}")
        if any(len(chain) == 2 for chain in imports):
            style = {"arrowstyle": "-|>", "color": LINE, "alpha": 0.45, "linewidth": 0.8, "shrinkA": 9, "shrinkB": 9}
            axes.annotate("", places[other], places[one], arrowprops=style)
    for room, (x, y) in places.items():
        box = {"boxstyle": "round,pad=0.35", "facecolor": ROOM, "edgecolor": LINE, "linewidth": 0.8}
        axes.text(x, y, room, ha="center", va="center", color=INK, fontsize=10, bbox=box)
    axes.set(xlim=(-6.5, 6.5), ylim=(-0.7, len(floors) - 0.3))
    axes.set_axis_off()
    figure.savefig(DOCS / "floors.svg", bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()

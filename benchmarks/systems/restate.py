"""Restate: the server of its npm package, and a Python service under hypercorn."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SERVER: Final = str(
    Path(__file__).resolve().parents[2] / ".venv/npm/node_modules/.bin/restate-server"
)
NEEDS: Final[tuple[str, ...]] = ()
PACKAGES: Final = ("restate", "hypercorn", SERVER)
CASES: Final = {
    "starts": "benchmarks.on_restate.throughput:starts",
    "trivial_workflows": "benchmarks.on_restate.throughput:trivial_workflows",
    "ten_steps_throughput": "benchmarks.on_restate.throughput:ten_steps",
    "sequential_step": "benchmarks.on_restate.throughput:sequential_step",
    "start_to_result": "benchmarks.on_restate.waiting:start_to_result",
    "signal_round_trip": "benchmarks.on_restate.waiting:signal_round_trip",
    "timer_lateness": "benchmarks.on_restate.waiting:timer_lateness",
    "fan_out": "benchmarks.on_restate.throughput:fan_out",
}
QUICK: Final = ("ten_steps_throughput", "start_to_result")


def prepare() -> None:
    """There is nothing to make: each case has a server of its own."""


def begin() -> None:
    """There is nothing to do before a case."""

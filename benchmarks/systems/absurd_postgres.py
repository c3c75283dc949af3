"""absurd on PostgreSQL, in its own schema, which comes with its command-line tool."""

from __future__ import annotations

import os
from typing import Final

NEEDS: Final = ("AION_TEST_DATABASE_URL",)
PACKAGES: Final = ("absurd_sdk", "absurdctl")
CASES: Final = {
    "starts": "benchmarks.on_absurd.throughput:starts",
    "trivial_workflows": "benchmarks.on_absurd.throughput:trivial_workflows",
    "ten_steps_throughput": "benchmarks.on_absurd.throughput:ten_steps",
    "sequential_step": "benchmarks.on_absurd.throughput:sequential_step",
    "start_to_result": "benchmarks.on_absurd.waiting:start_to_result",
    "signal_round_trip": "benchmarks.on_absurd.waiting:signal_round_trip",
    "timer_lateness": "benchmarks.on_absurd.waiting:timer_lateness",
    "recovery": "benchmarks.on_absurd.recovery:recovery",
}
QUICK: Final = ("ten_steps_throughput",)


def _choose() -> None:
    os.environ["BENCHMARKS_ABSURD_URL"] = os.environ["AION_TEST_DATABASE_URL"]


def prepare() -> None:
    """Make the schema."""
    from benchmarks.on_absurd.setup import migrate

    _choose()
    migrate()


def begin() -> None:
    """Make the queue anew."""
    from benchmarks.on_absurd.setup import empty

    _choose()
    empty()

"""How each case is done with Aion."""

from __future__ import annotations

from typing import Final

CASES: Final = {
    "starts": "benchmarks.on_aion.throughput:starts",
    "trivial_workflows": "benchmarks.on_aion.throughput:trivial_workflows",
    "ten_steps_throughput": "benchmarks.on_aion.throughput:ten_steps",
    "sequential_step": "benchmarks.on_aion.one_run:sequential_step",
    "linear_cost": "benchmarks.on_aion.one_run:linear_cost",
    "start_to_result": "benchmarks.on_aion.one_run:start_to_result",
    "statements_per_turn": "benchmarks.on_aion.statements:statements_per_turn",
    "replay": "benchmarks.on_aion.replaying:events_per_second",
}

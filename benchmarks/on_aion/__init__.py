"""How each case is done with Aion."""

from __future__ import annotations

from typing import Final

CASES: Final = {
    "starts": "benchmarks.on_aion.throughput:starts",
    "trivial_workflows": "benchmarks.on_aion.throughput:trivial_workflows",
    "ten_steps_throughput": "benchmarks.on_aion.throughput:ten_steps",
    "remote_activities": "benchmarks.on_aion.throughput:remote_activities",
    "workers_scaling": "benchmarks.on_aion.throughput:workers_scaling",
    "sequential_step": "benchmarks.on_aion.one_run:sequential_step",
    "linear_cost": "benchmarks.on_aion.one_run:linear_cost",
    "start_to_result": "benchmarks.on_aion.waiting:start_to_result",
    "start_to_first_activity": "benchmarks.on_aion.waiting:start_to_first_activity",
    "signal_round_trip": "benchmarks.on_aion.waiting:signal_round_trip",
    "timer_lateness": "benchmarks.on_aion.waiting:timer_lateness",
    "fan_out": "benchmarks.on_aion.breadth:fan_out",
    "statements_per_turn": "benchmarks.on_aion.statements:statements_per_turn",
    "replay": "benchmarks.on_aion.replaying:events_per_second",
    "event_write_limit": "benchmarks.on_aion.limits:event_write_limit",
    "sleeping_runs": "benchmarks.on_aion.masses:sleeping_runs",
    "recovery": "benchmarks.on_aion.masses:recovery",
    "long_load": "benchmarks.on_aion.masses:long_load",
    "list_page": "benchmarks.on_aion.lists:list_page",
}

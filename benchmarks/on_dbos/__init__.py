"""How each case is done with DBOS Transact.

Workflows start in the process that runs them, as its documentation does where nothing has to be handed to
another: on asyncio where there are many, in threads else. What needs a second process goes through a queue.
"""

from __future__ import annotations

from typing import Final

CASES: Final = {
    "starts": "benchmarks.on_dbos.throughput:starts",
    "trivial_workflows": "benchmarks.on_dbos.throughput:trivial_workflows",
    "ten_steps_throughput": "benchmarks.on_dbos.throughput:ten_steps",
    "sequential_step": "benchmarks.on_dbos.throughput:sequential_step",
    "start_to_result": "benchmarks.on_dbos.waiting:start_to_result",
    "signal_round_trip": "benchmarks.on_dbos.waiting:signal_round_trip",
    "timer_lateness": "benchmarks.on_dbos.waiting:timer_lateness",
    "fan_out": "benchmarks.on_dbos.throughput:fan_out",
    "sleeping_runs": "benchmarks.on_dbos.masses:sleeping_runs",
    "recovery": "benchmarks.on_dbos.masses:recovery",
}

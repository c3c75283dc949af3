"""How long somebody waits: for a result, for an answer, for a timer."""

from __future__ import annotations

import time
from typing import Any

from dbos import DBOS

from benchmarks.figures import Figures, Size
from benchmarks.measuring import call_durations, milliseconds
from benchmarks.on_dbos import workflows
from benchmarks.on_dbos.setup import POLL, QUEUE, client, launched
from benchmarks.on_dbos.worker import working

_ALL_WAIT = 2.0  # seconds
_PROBES = 20


def start_to_result(size: Size) -> Figures:
    """Start here, run in a worker, read the result here: through a queue."""
    options: Any = {"workflow_name": "trivial", "queue_name": QUEUE}
    with working(), client() as dbos:

        def call() -> None:
            dbos.enqueue(options, 1).get_result(polling_interval_sec=POLL)

        call_durations(call, calls=5)
        return milliseconds(call_durations(call, calls=size["calls"], seconds=size["seconds"]))


def signal_round_trip(size: Size) -> Figures:
    with launched():
        handles = [DBOS.start_workflow(workflows.answer) for _ in range(size["peers_signals"] + 3)]
        time.sleep(_ALL_WAIT)

        def call() -> None:
            handle = handles.pop()
            DBOS.send(handle.workflow_id, 1, topic="ask")
            handle.get_result()

        call_durations(call, calls=3)
        return milliseconds(call_durations(call, calls=len(handles), seconds=size["seconds"]))


def timer_lateness(size: Size) -> Figures:
    count, seconds = size["peers_timers"], size["peers_seconds"]
    with launched():
        begin = time.perf_counter()
        for _ in range(_PROBES):
            DBOS.start_workflow(workflows.trivial, 1).get_result()
        first = time.time() + 1 + 2 * count * (time.perf_counter() - begin) / _PROBES
        handles = [
            DBOS.start_workflow(workflows.alarm, first + seconds * number / count)
            for number in range(count)
        ]
        return milliseconds([handle.get_result() for handle in handles])

"""How long somebody waits: for a result, for an activity, for an answer, for a timer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from aion import client
from aion.models import Run
from benchmarks.app.workflows import alarm, answer, first_activity, trivial
from benchmarks.figures import Figures, Size
from benchmarks.measuring import call_durations, milliseconds
from benchmarks.on_aion.worker import (
    wait_until_closed,
    wait_until_idle,
    working,
    working_remotely,
)

_WARM_UP = 20
_SPARE = 1.5  # seconds between the last start and the first timer's time


def start_to_result(size: Size) -> Figures:
    def call() -> None:
        client.execute_workflow(trivial, 1, result_timeout=30)

    with working():
        call_durations(call, calls=_WARM_UP, seconds=2)
        return milliseconds(call_durations(call, calls=size["calls"], seconds=size["seconds"]))


def start_to_first_activity(size: Size) -> Figures:
    delays: list[float] = []

    def call() -> None:
        begin = time.time()
        delays.append(client.execute_workflow(first_activity, result_timeout=60) - begin)

    with working_remotely():
        call_durations(call, calls=_WARM_UP, seconds=3)
        delays.clear()
        call_durations(call, calls=size["calls"], seconds=size["seconds"])
    return milliseconds(delays)


def signal_round_trip(size: Size) -> Figures:
    count = size["signals"]
    with working():
        handles = [client.start_workflow(answer) for _ in range(count + _WARM_UP)]
        wait_until_idle()

        def call() -> None:
            handle = handles.pop()
            handle.signal("ask", 1)
            handle.result(30)

        call_durations(call, calls=_WARM_UP, seconds=2)
        return milliseconds(call_durations(call, calls=count, seconds=size["seconds"]))


def timer_lateness(size: Size) -> Figures:
    """Start all first, so that only their timers are left to do."""
    count, seconds = size["timers"], size["seconds"]
    with working():
        client.execute_workflow(trivial, 1, result_timeout=30)
        first = time.time() + _SPARE + _seconds_for(count, _start_trivial)
        for number in range(count):
            client.start_workflow(alarm, first + seconds * number / count)
        wait_until_idle()
        if (late := time.time() - first) > 0:
            raise RuntimeError(f"The first timer was due {late:.1f} s before all were set")
        wait_until_closed()
    results = Run.objects.filter(workflow_type="benchmarks.alarm").values_list("result", flat=True)
    return milliseconds([json.loads(result or "null") for result in results])


def _start_trivial() -> None:
    client.start_workflow(trivial, 1)


def _seconds_for(count: int, call: Callable[[], None]) -> float:
    """Guess how long so many calls take, with as much to spare."""
    few = call_durations(call, calls=20)
    return 2 * count * sum(few) / len(few)

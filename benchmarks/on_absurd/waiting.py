"""How long somebody waits: for a result, for an answer, for a timer."""

from __future__ import annotations

import time

from absurd_sdk import Absurd

from benchmarks.figures import Figures, Size
from benchmarks.measuring import call_durations, milliseconds, wait_until
from benchmarks.on_absurd.setup import client, spawn
from benchmarks.on_absurd.worker import working

_ALL_WAIT = 3.0  # seconds


def _result(absurd: Absurd, task_id: str) -> float:
    """Look for a result as often as a caller can; what waits for it in the SDK looks ever more rarely."""
    found: list[float] = []

    def there() -> bool:
        snapshot = absurd.fetch_task_result(task_id)
        if snapshot is None or snapshot.state != "completed":
            return False
        found.append(float(snapshot.result or 0))
        return True

    wait_until(there, timeout=60)
    return found[0]


def start_to_result(size: Size) -> Figures:
    with working():
        absurd = client()

        def call() -> None:
            _result(absurd, spawn(absurd, "trivial", {}))

        call_durations(call, calls=5)
        return milliseconds(call_durations(call, calls=size["calls"], seconds=size["seconds"]))


def signal_round_trip(size: Size) -> Figures:
    count = size["peers_signals"] + 3
    with working():
        absurd = client()
        names = [f"ask-{number}" for number in range(count)]
        waiting = [(name, spawn(absurd, "answer", {"name": name})) for name in names]
        time.sleep(_ALL_WAIT)

        def call() -> None:
            name, task_id = waiting.pop()
            absurd.emit_event(name, 1)
            _result(absurd, task_id)

        call_durations(call, calls=3)
        return milliseconds(call_durations(call, calls=len(waiting), seconds=size["seconds"]))


def timer_lateness(size: Size) -> Figures:
    count, seconds = size["peers_timers"], size["peers_seconds"]
    with working():
        absurd = client()
        first = time.time() + _ALL_WAIT
        tasks = [
            spawn(absurd, "alarm", {"at": first + seconds * number / count})
            for number in range(count)
        ]
        return milliseconds([_result(absurd, task_id) for task_id in tasks])

"""How long a caller waits for a bare task, and a bare task for its worker."""

from __future__ import annotations

import time

from benchmarks.figures import Figures, Size
from benchmarks.measuring import call_durations, milliseconds
from benchmarks.on_celery.tasks import echo, tell_time
from benchmarks.on_celery.worker import own_queue, working


def round_trip(size: Size) -> Figures:
    def call() -> None:
        echo.delay(1).get(timeout=30)

    with own_queue(), working():
        call()  # waits for the worker to be there
        call_durations(call, calls=20, seconds=2)
        return milliseconds(call_durations(call, calls=size["calls"], seconds=size["seconds"]))


def start_to_begin(size: Size) -> Figures:
    delays: list[float] = []

    def call() -> None:
        begin = time.time()
        delays.append(tell_time.delay().get(timeout=30) - begin)

    with own_queue(), working():
        call_durations(call, calls=20, seconds=3)
        delays.clear()
        call_durations(call, calls=size["calls"], seconds=size["seconds"])
    return milliseconds(delays)

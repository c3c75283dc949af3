"""How long a caller waits for a bare task."""

from __future__ import annotations

from benchmarks.cases import Figures, Size
from benchmarks.measuring import call_durations, milliseconds
from benchmarks.on_celery.tasks import echo
from benchmarks.on_celery.worker import own_queue, working


def round_trip(size: Size) -> Figures:
    def call() -> None:
        echo.delay(1).get(timeout=30)

    with own_queue(), working():
        call()  # waits for the worker to be there
        call_durations(call, calls=20, seconds=2)
        return milliseconds(call_durations(call, calls=size["calls"], seconds=size["seconds"]))

"""How long a caller waits for a bare task."""

from __future__ import annotations

import time

from benchmarks.cases import Figures, Size
from benchmarks.measuring import milliseconds
from benchmarks.on_celery.tasks import echo
from benchmarks.on_celery.worker import own_queue, working


def round_trip(size: Size) -> Figures:
    with own_queue(), working():
        for number in range(20):
            echo.delay(number).get(timeout=30)
        seconds: list[float] = []
        until = time.perf_counter() + size["seconds"]
        while len(seconds) < size["calls"] and (begin := time.perf_counter()) < until:
            echo.delay(1).get(timeout=30)
            seconds.append(time.perf_counter() - begin)
    return milliseconds(seconds)

"""How many bare tasks are sent, and done, in a second."""

from __future__ import annotations

from benchmarks.cases import Figures, Size
from benchmarks.measuring import stopwatch
from benchmarks.on_celery.tasks import echo, tell_time
from benchmarks.on_celery.worker import own_queue, working


def sent(size: Size) -> Figures:
    with own_queue():
        echo.apply_async((0,), ignore_result=True)
        with stopwatch() as watch:
            for number in range(size["starts"]):
                echo.apply_async((number,), ignore_result=True)
    return {"": size["starts"] / watch.seconds}


def done(size: Size) -> Figures:
    """One child works in the order of the queue, so the tasks at both ends tell the time."""
    with own_queue():
        first = tell_time.delay()
        for number in range(size["runs"]):
            echo.apply_async((number,), ignore_result=True)
        last = tell_time.delay()
        with working():
            return {"": size["runs"] / (last.get(timeout=120) - first.get(timeout=120))}

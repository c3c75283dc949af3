"""How many bare tasks are sent, and done, in a second: alone, in chains and in chords."""

from __future__ import annotations

from collections.abc import Callable

from celery import chain, chord

from benchmarks.figures import Figures, Size
from benchmarks.measuring import stopwatch
from benchmarks.on_celery.tasks import count_all, echo, tell_time
from benchmarks.on_celery.worker import own_queue, working


def sent(size: Size) -> Figures:
    count = size["starts"]
    with own_queue():
        echo.apply_async((0,), ignore_result=True)
        with stopwatch() as watch:
            for number in range(count):
                echo.apply_async((number,), ignore_result=True)
    return {"": count / watch.seconds, "cpu": watch.cpu / count * 1000}


def drained(size: Size) -> Figures:
    """All wait when the worker begins. It keeps their order, so those at both ends tell the time."""
    count = size["runs"]
    with own_queue():
        first = tell_time.delay()
        _send(count)
        last = tell_time.delay()
        with working() as processes:
            begin = first.get(timeout=60)
            worked = processes.cpu_seconds()
            seconds = last.get(timeout=120) - begin
            worked = processes.cpu_seconds() - worked
    return {"": count / seconds, "cpu": worked / count * 1000}


def sent_and_done(size: Size) -> Figures:
    """Send to a worker that is there, as Aion's turn loop does while activities run."""
    count = size["runs"] * size["activities"]

    def work() -> None:
        _send(count)
        tell_time.delay().get(timeout=120)

    seconds, worked = _timed(work)
    return {"": count / seconds, "cpu": worked / count * 1000}


def chains(size: Size) -> Figures:
    """Many chains at once; their steps are not durable, only in order."""
    count, steps = size["peers_runs"], size["steps"]

    def work() -> None:
        results = [chain(*_steps(steps)).apply_async() for _ in range(count)]
        for result in results:
            result.get(timeout=120)

    seconds, worked = _timed(work)
    return {"": count * steps / seconds, "cpu": worked / (count * steps) * 1000}


def one_chain(size: Size) -> Figures:
    """Chains of ten, one after the other: a long one carries all of its steps in each message."""
    count = max(size["peers_steps"] // 10, 1)

    def work() -> None:
        for _ in range(count):
            chain(*_steps(10)).apply_async().get(timeout=120)

    seconds, worked = _timed(work)
    return {"": seconds / (count * 10) * 1000, "cpu": worked / (count * 10) * 1000}


def one_chord(size: Size) -> Figures:
    count = size["activities"]

    def work() -> None:
        chord([echo.s(number) for number in range(count)])(count_all.s()).get(timeout=120)

    seconds, _ = _timed(work)
    return {"activities": count / seconds}


def _steps(count: int) -> list[object]:
    return [echo.si(number) for number in range(count)]


def _send(count: int) -> None:
    for number in range(count):
        echo.apply_async((number,), ignore_result=True)


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """Let a warm worker do it; give the seconds, and the worker's processor time."""
    with own_queue(), working() as processes:
        echo.delay(1).get(timeout=60)
        worked = processes.cpu_seconds()
        with stopwatch() as watch:
            work()
        return watch.seconds, processes.cpu_seconds() - worked

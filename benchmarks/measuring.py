"""Small arithmetic of measurements."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the smallest value that `percent` of 100 of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Give median and 99th percentile of durations, in milliseconds."""
    return {"": percentile(seconds, 50) * 1000, "p99": percentile(seconds, 99) * 1000}


def call_durations(
    function: Callable[[], object], *, calls: int, seconds: float = math.inf
) -> list[float]:
    """Call a function so often, for so many seconds at most, and give how long each call took."""
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while len(taken) < calls and (begin := time.perf_counter()) < until:
        function()
        taken.append(time.perf_counter() - begin)
    return taken


class Stopwatch:
    """`seconds` that a `with` block took, and what this process worked in them."""

    seconds = 0.0
    cpu = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    watch = Stopwatch()
    begin, worked = time.perf_counter(), time.process_time()
    yield watch
    watch.seconds = time.perf_counter() - begin
    watch.cpu = time.process_time() - worked


def wait_until(condition: Callable[[], bool], *, timeout: float, pause: float = 0.002) -> None:
    """Ask again and again.

    Raises:
        TimeoutError: it did not become true in time.
    """
    until = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"Nothing happened for {timeout:g} s")
        time.sleep(pause)

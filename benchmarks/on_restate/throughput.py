"""Many invocations at once, and many steps."""

from __future__ import annotations

from benchmarks.figures import Figures, Size
from benchmarks.measuring import stopwatch
from benchmarks.on_restate.callers import call_all
from benchmarks.on_restate.server import Caller, serving


def starts(size: Size) -> Figures:
    """One-way calls, which the server keeps before it answers."""
    count = size["peers_starts"]
    with serving() as restate:
        caller = Caller(restate.port)
        caller.call("/Bench/trivial/send", 0)
        with stopwatch() as watch:
            for number in range(count):
                caller.call("/Bench/trivial/send", number)
    return {"": count / watch.seconds, "cpu": watch.cpu / count * 1000}


def trivial_workflows(size: Size) -> Figures:
    count = size["peers_runs"]
    seconds, cpu = _timed("/Bench/trivial", count, 1, callers=50)
    return {"": count / seconds, "cpu": cpu / count * 1000}


def ten_steps(size: Size) -> Figures:
    """All invocations at once; the processor time is that of service and server."""
    runs, steps = size["peers_runs"], size["steps"]
    one, cpu = _timed("/Bench/steps", runs, steps, callers=runs)
    two, _ = _timed("/Bench/steps", runs, steps, callers=runs, processes=2)
    total = runs * steps
    return {"": total / one, "two": total / two, "cpu": cpu / total * 1000}


def sequential_step(size: Size) -> Figures:
    count = size["peers_steps"]
    seconds, cpu = _timed("/Bench/steps", 1, count, callers=1)
    return {"": seconds / count * 1000, "cpu": cpu / count * 1000}


def fan_out(size: Size) -> Figures:
    count = size["peers_children"]
    seconds, _ = _timed("/Bench/children", 1, count, callers=1)
    return {"": count / seconds}


def _timed(
    path: str, count: int, argument: int, *, callers: int, processes: int = 1
) -> tuple[float, float]:
    """Give the seconds that so many calls take, and the processor time; all is warm before."""
    with serving(processes) as restate:
        call_all(restate.port, "/Bench/steps", [3] * 20, callers=5)
        worked = restate.cpu_seconds()
        with stopwatch() as watch:
            answers = call_all(restate.port, path, [argument] * count, callers=callers)
        assert answers == [argument] * count
        return watch.seconds, restate.cpu_seconds() - worked

"""Many runs at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aion import client
from benchmarks.app.workflows import remote_steps, sequential_steps, trivial
from benchmarks.figures import Figures, Size
from benchmarks.measuring import stopwatch
from benchmarks.on_aion.setup import empty
from benchmarks.on_aion.worker import rate_of, working, working_remotely


def starts(size: Size) -> Figures:
    count = size["starts"]
    client.start_workflow(trivial, 0)
    with stopwatch() as single:
        for number in range(count):
            client.start_workflow(trivial, number)
    with stopwatch() as bulk:
        start_many(trivial, 1, count=count, together=size["together"])
    return {
        "": count / single.seconds,
        "bulk": count / bulk.seconds,
        "cpu": single.cpu / count * 1000,
    }


def trivial_workflows(size: Size) -> Figures:
    count = size["runs"]
    with working() as workers:
        rate, cpu = rate_of(workers, lambda: start_many(trivial, 1, count=count), count)
    return {"": rate, "cpu": cpu}


def ten_steps(size: Size) -> Figures:
    one, cpu = steps_per_second(size, workers=1)
    two, _ = steps_per_second(size, workers=2)
    return {"": one, "two": two, "cpu": cpu}


def workers_scaling(size: Size) -> Figures:
    rates = {str(workers): steps_per_second(size, workers=workers)[0] for workers in (1, 2, 4)}
    return {"": rates["4"] / rates["1"], **rates}


def steps_per_second(size: Size, *, workers: int) -> tuple[float, float]:
    """Give steps a second, and milliseconds of processor time for each."""
    runs, steps = size["runs"], size["steps"]
    empty()
    with working(workers) as ready:
        return rate_of(ready, lambda: start_many(sequential_steps, steps, count=runs), runs * steps)


def remote_activities(size: Size) -> Figures:
    runs, activities = size["runs"], size["activities"]
    with working_remotely() as workers:
        client.execute_workflow(remote_steps, 1, result_timeout=120)  # the pool is there, too
        rate, cpu = rate_of(
            workers, lambda: start_many(remote_steps, activities, count=runs), runs * activities
        )
    return {"": rate, "cpu": cpu}


def start_many(workflow: Any, *arguments: Any, count: int, together: int = 100) -> None:
    """Start so many runs, `together` in each transaction."""
    for part in _parts(count, together):
        client.start_workflows(workflow, [arguments] * part)


def _parts(count: int, most: int) -> Iterator[int]:
    while count > 0:
        yield min(count, most)
        count -= most

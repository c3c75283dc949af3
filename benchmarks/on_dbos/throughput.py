"""Many workflows at once, and many steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dbos import DBOS

from benchmarks.figures import Figures, Size
from benchmarks.measuring import stopwatch
from benchmarks.on_dbos import workflows
from benchmarks.on_dbos.setup import POLL, QUEUE, client, launched
from benchmarks.on_dbos.worker import working


def starts(size: Size) -> Figures:
    """Enqueue by the client, which is how another process starts a workflow."""
    count = size["peers_starts"]
    with client() as dbos:
        dbos.register_queue(QUEUE)
        with stopwatch() as watch:
            for number in range(count):
                dbos.enqueue({"workflow_name": "trivial", "queue_name": QUEUE}, number)
    return {"": count / watch.seconds, "cpu": watch.cpu / count * 1000}


def trivial_workflows(size: Size) -> Figures:
    count = size["peers_runs"]
    with launched():
        DBOS.start_workflow(workflows.trivial, 0).get_result()
        with stopwatch() as watch:
            handles = [DBOS.start_workflow(workflows.trivial, n) for n in range(count)]
            for handle in handles:
                handle.get_result()
    return {"": count / watch.seconds, "cpu": watch.cpu / count * 1000}


def ten_steps(size: Size) -> Figures:
    runs, steps = size["peers_runs"], size["steps"]
    with launched(), stopwatch() as watch:
        asyncio.run(_many(workflows.sequential_steps_async, runs, steps))
    two = _through_the_queue(size, workers=2)
    return {"": runs * steps / watch.seconds, "two": two, "cpu": watch.cpu / (runs * steps) * 1000}


async def _many(workflow: Callable[..., Any], count: int, argument: int) -> None:
    handles = [await DBOS.start_workflow_async(workflow, argument) for _ in range(count)]
    for handle in handles:
        await handle.get_result()


def _through_the_queue(size: Size, *, workers: int) -> float:
    """Give steps a second of warm workers, from the first workflow's enqueueing to the last one's end."""
    runs, steps = size["peers_runs"], size["steps"]
    with working(workers), client() as dbos:

        def enqueue(count: int) -> Any:
            options: Any = {"workflow_name": "sequential_steps", "queue_name": QUEUE}
            return dbos.enqueue(options, count)

        warm = [enqueue(1) for _ in range(8 * workers)]
        for handle in warm:
            handle.get_result(polling_interval_sec=POLL)
        with stopwatch() as watch:
            handles = [enqueue(steps) for _ in range(runs)]
            for handle in reversed(handles):
                handle.get_result(polling_interval_sec=POLL)
    return runs * steps / watch.seconds


def sequential_step(size: Size) -> Figures:
    count = size["peers_steps"]
    with launched():
        workflows.sequential_steps(10)
        with stopwatch() as watch:
            workflows.sequential_steps(count)
    return {"": watch.seconds / count * 1000, "cpu": watch.cpu / count * 1000}


def fan_out(size: Size) -> Figures:
    count = size["peers_children"]
    with launched():
        workflows.children(1)
        with stopwatch() as watch:
            workflows.children(count)
    return {"": count / watch.seconds}

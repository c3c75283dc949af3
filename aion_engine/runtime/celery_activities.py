"""The Celery tasks of the engine.

`aion.activity` carries a row id and an attempt, or several of them (see `bundles`); the row decides whether
there is anything to do. A message that is doubled, late or lost does no harm. They are JSON, whatever the
project's own tasks are.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

from celery import shared_task

from aion.store import activities, publishing
from aion.store.attempts import Attempt
from aion_engine.runtime import execution
from aion_engine.runtime.bundles import Bundle, watcher
from aion_engine.runtime.execution import Running
from aion_engine.runtime.here import here
from aion_engine.runtime.pruning import prune_if_due
from aion_engine.runtime.tick import tick

log = logging.getLogger("aion.activities")


@shared_task(name="aion.activity", ignore_result=True, acks_late=False, serializer="json")
def run_activity(task_id: str, attempt: int, *more: Any) -> None:
    """Run one attempt of an activity, if it is still there to be run, and `more`, as id, attempt, id, ..."""
    if more:
        numbers = {uuid.UUID(task_id): attempt}
        numbers |= zip(map(uuid.UUID, more[::2]), more[1::2], strict=True)
        _run_bundle(numbers)
        return
    running = begin(uuid.UUID(task_id), attempt)
    if running is not None:
        run(running)


def _run_bundle(numbers: dict[uuid.UUID, int]) -> None:
    found = execution.persistently(lambda: activities.find_all(list(numbers)))
    bundle = Bundle(
        [
            found[key]
            for key, number in numbers.items()
            if key in found and found[key].attempt == number
        ]
    )
    with watcher.watching(bundle):
        while (row := bundle.take()) is not None:
            running = begin(row.id, row.attempt, row)
            while running is not None:
                running = run(
                    running, next_up=lambda: None if here.board.stopping else bundle.take()
                )


@shared_task(name="aion.tick", ignore_result=True, serializer="json")
def run_tick() -> None:
    """Look at everything that time brings about."""
    tick()


@shared_task(name="aion.prune", ignore_result=True, serializer="json")
def run_prune() -> None:
    """Delete old closed runs by the rules of the settings."""
    prune_if_due(stopping=lambda: here.board.stopping)


def begin(task_id: uuid.UUID, attempt: int, row: Attempt | None = None) -> Running | None:
    """Claim an attempt for this worker; None when there is nothing to be begun.

    A worker that shuts down claims nothing: its message is spent, so the row asks for another.
    """
    if here.board.stopping:
        publishing.unpublish(task_id, attempt)
        return None
    running = execution.begin(task_id, attempt, here.worker, row)
    if running is None:
        log.debug("Attempt %d of activity row %s is not there to be begun", attempt, task_id)
    return running


def run(
    running: Running,
    body: Callable[[], Any] | None = None,
    next_up: Callable[[], Attempt | None] = lambda: None,
) -> Running | None:
    """Run a claimed attempt where the watchers of this process can reach it; see `execution.run`."""
    here.enter(running)
    try:
        return execution.run(running, here.worker, body, next_up)
    finally:
        here.leave(running)
        here.durations.note(running.attempt.order.activity_type, running.worked)

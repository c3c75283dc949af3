"""The Celery tasks of the engine.

`aion.activity` carries a row id and an attempt; the row decides whether there is anything to do. A message
that is doubled, late or lost does no harm. They are JSON, whatever the project's own tasks are.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

from celery import shared_task

from aion.store import publishing
from aion_engine.runtime import execution
from aion_engine.runtime.execution import Running
from aion_engine.runtime.here import here
from aion_engine.runtime.pruning import prune_if_due
from aion_engine.runtime.tick import tick

log = logging.getLogger("aion.activities")


@shared_task(name="aion.activity", ignore_result=True, acks_late=False, serializer="json")
def run_activity(task_id: str, attempt: int) -> None:
    """Run one attempt of an activity, if it is still there to be run."""
    running = begin(uuid.UUID(task_id), attempt)
    if running is not None:
        run(running)


@shared_task(name="aion.tick", ignore_result=True, serializer="json")
def run_tick() -> None:
    """Look at everything that time brings about."""
    tick()


@shared_task(name="aion.prune", ignore_result=True, serializer="json")
def run_prune() -> None:
    """Delete old closed runs by the rules of the settings."""
    prune_if_due(stopping=lambda: here.board.stopping)


def begin(task_id: uuid.UUID, attempt: int) -> Running | None:
    """Claim an attempt for this worker; None when there is nothing to be begun.

    A worker that shuts down claims nothing: its message is spent, so the row asks for another.
    """
    if here.board.stopping:
        publishing.unpublish(task_id, attempt)
        return None
    running = execution.begin(task_id, attempt, here.worker)
    if running is None:
        log.debug("Attempt %d of activity row %s is not there to be begun", attempt, task_id)
    return running


def run(running: Running, body: Callable[[], Any] | None = None) -> None:
    """Run a claimed attempt where the watchers of this process can reach it."""
    here.enter(running)
    try:
        execution.run(running, here.worker, body)
    finally:
        here.leave(running)

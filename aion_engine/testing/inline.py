"""Runs activities in the thread of the test, on its database connection and inside its transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import DatabaseError, connections

from aion.authoring.registry import registry
from aion.core.events import ActivityCompleted
from aion.operations.clock import clock
from aion.store import activities
from aion.store.workers import WorkerIdentity
from aion_engine.runtime import execution
from aion_engine.runtime.attempts import call
from aion_engine.runtime.execution import Running
from aion_engine.runtime.local_activities import Job, LocalActivities


@contextmanager
def contained() -> Iterator[None]:
    """Let a database error of the block leave the test's own transaction usable.

    In a worker an activity runs outside of transactions, so what it breaks concerns nobody else.
    """
    inside = [each for each in connections.all(initialized_only=True) if each.in_atomic_block]
    points = [(each, each.savepoint()) for each in inside]
    try:
        yield
    except BaseException:
        for connection, point in points:
            _keep_or_undo(connection, point)
        raise
    for connection, point in points:
        _keep_or_undo(connection, point)


def _keep_or_undo(connection: Any, point: Any) -> None:
    """Keep what the code wrote, as a worker does, unless the database refuses to go on."""
    try:
        if not connection.needs_rollback:
            connection.savepoint_commit(point)
            return
    except DatabaseError:
        pass
    connection.savepoint_rollback(point)
    connection.needs_rollback = False


def run_one(worker: WorkerIdentity) -> bool:
    """Run the oldest attempt that is due, on whatever queue; tell whether there was one."""
    for task_id, number in activities.ready(now=clock.now(), limit=1):
        running = execution.begin(task_id, number, worker)
        if running is not None:
            execution.run(running, worker, partial(_perform, running))
            return True
    return False


def _perform(running: Running) -> Any:
    order = running.attempt.order
    activity = registry.activity(order.activity_type)
    with contained():
        return call(activity, order.input, running.context, what=f"activity {activity.name}")


class InlineLocalActivities(LocalActivities):
    """Local activities that wait for `run_one`."""

    def __init__(self, worker_id: uuid.UUID) -> None:
        super().__init__(worker_id, threads=0, wake=lambda: None)

    def _put(self, jobs: list[Job]) -> None:
        self._queue.extend(jobs)

    def run_one(self) -> bool:
        """Run the oldest one; tell whether there was one."""
        if not self._queue:
            return False
        job = self._queue.popleft()
        if self._is_current(job):
            self._run(job)
        return True

    def _tidy(self) -> None:
        """The connection is the test's."""

    def _completed(self, activity: Any, job: Job) -> ActivityCompleted:
        with contained():
            return super()._completed(activity, job)

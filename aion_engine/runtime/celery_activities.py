"""The Celery tasks, and existing Celery tasks as activities.

`aion.activity` carries a row id and an attempt; the row decides whether there is anything to do. A message
that is doubled, late or lost does no harm.

An activity that refers to a Celery task travels as that task's own message, so its queue, routing, limits
and retries hold. The row id and the attempt are in the message's headers; signals of the task claim the row
before it runs and settle it afterwards.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterable
from typing import Any

from celery import current_app, shared_task, signals

from aion.core.errors import StaleAttempt
from aion.core.payloads import encode
from aion.core.ports import Handover
from aion.core.signatures import decode_arguments
from aion.operations import activity_outcome
from aion.core.failures import failure_from
from aion.store import activities
from aion.store.dialects import atomic
from aion.store.workers import WorkerIdentity
from aion_engine.runtime import execution
from aion_engine.runtime.execution import Running
from aion_engine.runtime.identity import new_worker
from aion_engine.runtime.tick import tick

log = logging.getLogger("aion.activities")

HEADER = "aion_attempt"


class _Here:
    """The worker of this process and its running attempts. Forked children inherit the worker's identity."""

    worker: WorkerIdentity | None = None
    running: dict[uuid.UUID, Running] = {}
    lock = threading.Lock()


def use_worker(worker: WorkerIdentity) -> None:
    """Run this process's attempts (and those of children forked later) as this worker's."""
    _Here.worker = worker


def this_worker() -> WorkerIdentity:
    """Give the worker that this process runs attempts for."""
    if _Here.worker is None:
        _Here.worker = new_worker("celery")
    return _Here.worker


def running_attempts() -> Iterable[Running]:
    """Give the attempts that run in this process."""
    with _Here.lock:
        return list(_Here.running.values())


def _enter(running: Running) -> None:
    with _Here.lock:
        _Here.running[running.attempt.id] = running


def _leave(task_id: uuid.UUID) -> None:
    with _Here.lock:
        _Here.running.pop(task_id, None)


@shared_task(name="aion.activity", ignore_result=True, acks_late=False)
def run_activity(task_id: str, attempt: int) -> None:
    """Run one attempt of an activity, if it is still there to be run."""
    worker = this_worker()
    running = execution.begin(uuid.UUID(task_id), attempt, worker)
    if running is None:
        return
    _enter(running)
    try:
        execution.run(running, worker)
    finally:
        _leave(running.attempt.id)


@shared_task(name="aion.tick", ignore_result=True)
def run_tick() -> None:
    """Look at everything that time brings about."""
    tick()


# --- existing Celery tasks ------------------------------------------------------------------------


def send_task(handover: Handover, name: str, producer: Any) -> None:
    """Send the message of a Celery task that is an activity, with its attempt in the headers."""
    attempt = activities.find(handover.task_id)
    if attempt is None or attempt.attempt != handover.attempt:
        return
    args, kwargs = decode_arguments(attempt.order.input, what=f"Celery task {name}")
    task = current_app.tasks[name]
    options = {"queue": attempt.order.task_queue} if attempt.order.task_queue else {}
    task.apply_async(
        args=args,
        kwargs=kwargs,
        producer=producer,
        headers={HEADER: [str(handover.task_id), handover.attempt]},
        **options,
    )


def _header(task: Any) -> tuple[uuid.UUID, int] | None:
    request = getattr(task, "request", None)
    found = getattr(request, HEADER, None) or (getattr(request, "headers", None) or {}).get(HEADER)
    return (uuid.UUID(found[0]), int(found[1])) if found else None


def _on_prerun(task: Any = None, **_: Any) -> None:
    header = _header(task)
    if header is None or header[0] in _Here.running:
        return
    running = execution.begin(*header, this_worker())
    if running is None:
        log.warning("Celery task %s runs for an attempt that is no longer current", task.name)
        return
    _enter(running)


def _on_success(sender: Any = None, result: Any = None, **_: Any) -> None:
    running = _settling(sender)
    if running is None:
        return
    try:
        data = encode(result, field=f"the result of Celery task {sender.name}")
        with atomic():
            activity_outcome.complete(running.attempt, data, worker=this_worker().name)
    except StaleAttempt as error:
        log.warning("%s", error)
    except Exception as error:
        _fail(running, error)


def _on_failure(sender: Any = None, exception: BaseException | None = None, **_: Any) -> None:
    running = _settling(sender)
    if running is not None:
        _fail(running, exception or RuntimeError("the task failed"))


def _settling(task: Any) -> Running | None:
    header = _header(task)
    if header is None:
        return None
    with _Here.lock:
        return _Here.running.pop(header[0], None)


def _fail(running: Running, error: BaseException) -> None:
    try:
        with atomic():
            activity_outcome.fail(
                running.attempt, failure_from(error), worker=this_worker().name
            )
    except StaleAttempt as stale:
        log.warning("%s", stale)


def connect() -> None:
    """Listen to the tasks of this process."""
    signals.task_prerun.connect(_on_prerun, weak=False, dispatch_uid="aion.prerun")
    signals.task_success.connect(_on_success, weak=False, dispatch_uid="aion.success")
    signals.task_failure.connect(_on_failure, weak=False, dispatch_uid="aion.failure")


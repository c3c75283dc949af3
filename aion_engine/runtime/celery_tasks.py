"""Existing Celery tasks as activities.

Theory of operation
-------------------
Such an activity travels as the task's own message, so its queue, routing, limits and monitoring hold. The
row id and the attempt are in the message's headers. When a worker starts, `run` of these tasks is wrapped,
in the way Celery itself does it for `autoretry_for`: a call without our header goes straight through; one
with it claims the attempt, runs, and settles it, and then lets Celery see the same result or error.

There is one authority on retries, the activity's policy. A task that calls `retry()` has sent itself a
message by then; the attempt counts as failed, with the task's countdown as the next delay, and that message
finds the attempt over and is ignored.
"""

from __future__ import annotations

import contextvars
import datetime as dt
import functools
import logging
import uuid
from collections.abc import Callable
from typing import Any, Final

from celery import Celery, current_app
from celery.exceptions import Ignore, Retry

from aion.authoring.context import current_activity
from aion.authoring.registry import registry
from aion.core.errors import ApplicationError
from aion.core.ports import Handover
from aion.core.signatures import decode_arguments
from aion.operations.clock import clock
from aion.store import activities
from aion_engine.runtime import celery_activities
from aion_engine.runtime.attempts import intercepted
from aion_engine.runtime.execution import Running

log = logging.getLogger("aion.activities")

HEADER: Final = "aion_attempt"
_MARK: Final = "_aion_run"


def send(handover: Handover, name: str, producer: Any) -> None:
    """Send the message of a Celery task that is an activity, with its attempt in the headers."""
    attempt = activities.find(handover.task_id)
    if attempt is None or attempt.attempt != handover.attempt:
        return
    args, kwargs = decode_arguments(attempt.order.input, what=f"Celery task {name}")
    options = {"queue": attempt.order.task_queue} if attempt.order.task_queue else {}
    task: Any = current_app.tasks[name]
    task.apply_async(
        args=args,
        kwargs=kwargs,
        producer=producer,
        headers={HEADER: [str(handover.task_id), handover.attempt]},
        retries=attempt.number - 1,  # what the task reads in `self.request.retries`
        **options,
    )


def adopt(app: Celery) -> list[str]:
    """Make the tasks that activities refer to settle their attempts; give their names."""
    names = sorted({each.celery_task for each in registry.activities.values() if each.celery_task})
    for name in names:
        task: Any = app.tasks.get(name)
        if task is not None and not hasattr(task, _MARK):
            setattr(task, _MARK, task.run)
            task.run = _settling(task, task.run)
    return names


def _settling(task: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def run(*args: Any, **kwargs: Any) -> Any:
        header = _attempt_of(task.request)
        if header is None:
            return original(*args, **kwargs)
        running = celery_activities.begin(*header)
        if running is None:
            raise Ignore("its attempt is not there to be begun")
        return _run(running, original, args, kwargs)

    return run


def _attempt_of(request: Any) -> tuple[uuid.UUID, int] | None:
    found = getattr(request, HEADER, None) or (getattr(request, "headers", None) or {}).get(HEADER)
    return (uuid.UUID(found[0]), int(found[1])) if found else None


def _run(running: Running, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run the task's code as the attempt; give or raise to Celery what it gave or raised."""
    outcome: list[Any] = []
    raised: list[BaseException] = []

    def body() -> Any:
        token = current_activity.set(running.context)
        try:
            scope = contextvars.copy_context()  # what interceptors set must not outlive the attempt
            outcome.append(scope.run(intercepted, running.context, original, args, kwargs))
        except Retry as retry:
            raised.append(retry)
            raise _as_failure(retry) from retry.exc
        except BaseException as error:
            raised.append(error)
            raise
        finally:
            current_activity.reset(token)
        return outcome[0]

    celery_activities.run(running, body)
    if not raised:
        return outcome[0] if outcome else None
    if isinstance(raised[0], Exception):
        raise raised[0]
    raise Ignore(f"the attempt ended: {type(raised[0]).__name__}")  # cancelled, or completed later


def _as_failure(retry: Retry) -> ApplicationError:
    cause: BaseException = retry.exc or retry
    return ApplicationError(
        str(cause), type=type(cause).__name__, next_retry_delay=_delay(retry.when)
    )


def _delay(when: Any) -> dt.timedelta | None:
    if isinstance(when, dt.datetime):
        return max(when - clock.now(), dt.timedelta(0))
    return dt.timedelta(seconds=when) if isinstance(when, (int, float)) else None

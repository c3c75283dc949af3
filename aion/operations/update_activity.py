"""Change how a pending activity is tried: timeouts, retry policy, task queue."""

from __future__ import annotations

import uuid
from typing import Any, Final

import msgspec

from aion.core.errors import InvalidArgument
from aion.core.history import encode_event
from aion.core.retry import RetryPolicy
from aion.operations import bell
from aion.operations.checking import check_duration, check_text
from aion.operations.pending_activity import as_it_is, lock
from aion.operations.target import find
from aion.store import deadlines, pending
from aion.store.dialects import atomic
from aion.store.pending import Pending

TIMEOUTS: Final = (
    "start_to_close_timeout",
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "heartbeat_timeout",
)


def update_activity_options(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None,
    activity_id: str,
    options: dict[str, Any],
) -> None:
    """Change `retry`, `task_queue` or timeouts; None as a timeout takes it away.

    What waits is affected at once; a running attempt keeps its deadlines, and the new options decide what
    comes after it. History keeps what the workflow asked for: a reopened or reset run asks for that again.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        ActivityNotFound: it has no such pending activity.
        InvalidArgument: an option is unknown or not usable, or there is none.
    """
    _check(options)
    with atomic():
        one = lock(workflow_id, run_id, activity_id)
        pending.change([(one, _changes(one, options))])
        bell.ring_for_activities_after_commit()


def _check(options: dict[str, Any]) -> None:
    known = (*TIMEOUTS, "retry", "task_queue")
    if not options:
        raise InvalidArgument(f"Give at least one of {', '.join(known)}", field="options")
    for name, value in options.items():
        if name in TIMEOUTS:
            check_duration(name, value)
        elif name == "retry":
            if value is not None and not isinstance(value, RetryPolicy):
                raise InvalidArgument(f"retry must be a RetryPolicy, not {value!r}", field="retry")
        elif name == "task_queue":
            check_text("task_queue", value)
        else:
            raise InvalidArgument(
                f"An activity has no option {name!r} to be changed; there are {', '.join(known)}",
                field=name,
            )


def _changes(one: Pending, options: dict[str, Any]) -> dict[str, Any]:
    attempt = one.attempt
    order = msgspec.structs.replace(attempt.order, **options)
    run = find(None, attempt.run_id)
    changes = {
        "order": encode_event(order).decode(),
        "task_queue": order.task_queue or run.task_queue,
        **as_it_is(one),
    }
    if not one.begun:
        paused = one.paused_at is not None
        changes["timeout_at"], changes["timeout_kind"] = deadlines.while_scheduled(
            order, attempt.scheduled_at, one.next_attempt_at, paused=paused
        )
        changes["published_at"] = None  # its message lies in the old queue, and finds it gone
    return changes

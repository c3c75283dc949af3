"""Finds and locks the pending activity that an operation is meant for, and what the verbs have in common."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from typing import Any, Final

from aion.core.errors import ActivityNotFound, InvalidArgument, RunClosed
from aion.core.events import ActivityOutcome, ActivityScheduled
from aion.operations.checking import check_duration, check_text
from aion.operations.target import find
from aion.store import deadlines, histories, pending, runs
from aion.store.pending import Pending

_LONGEST_REASON: Final = 4096


def lock(workflow_id: str | None, run_id: uuid.UUID | str | None, activity_id: str) -> Pending:
    """Lock a pending activity. Must run inside a transaction.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended, and its activities with it.
        ActivityNotFound: the run has no such pending activity; the message says what became of it.
    """
    check_text("activity_id", activity_id)
    run = find(workflow_id, run_id)
    found = pending.lock_one(run.id, activity_id)
    if found is not None:
        return found
    if run.closed_at is not None:
        raise RunClosed(
            f"Run {run.id} of workflow id {run.workflow_id!r} has ended: {run.status}",
            workflow_id=run.workflow_id,
            run_id=run.id,
            status=run.status,
        )
    raise ActivityNotFound(
        f"Run {run.id} has no pending activity {activity_id!r}: {_what_became_of(run, activity_id)}",
        run_id=run.id,
        activity_id=activity_id,
    )


def _what_became_of(run: runs.RunSummary, activity_id: str) -> str:
    asked = False
    for recorded in reversed(histories.load_one(run.id)):
        event = recorded.event
        if isinstance(event, ActivityOutcome) and event.activity_id == activity_id:
            local = "a local activity, which has no row, and " if event.local else ""
            return f"it is {local}done ({recorded.kind}, event {recorded.seq})"
        asked = asked or (isinstance(event, ActivityScheduled) and event.activity_id == activity_id)
    if asked:
        return "its outcome waits to be folded"
    if run.owner_id is not None:
        return (
            "it was not asked for, or it is a local activity: those live in the memory of their worker, "
            "and cannot be operated on"
        )
    return "it was not asked for"


def check_who_and_why(by: str, reason: str) -> None:
    """Refuse what is no text.

    Raises:
        InvalidArgument: it names the field.
    """
    check_text("by", by)
    check_text("reason", reason, most=_LONGEST_REASON)


def delayed(now: dt.datetime, jitter: dt.timedelta | None) -> dt.datetime:
    """Give a random moment within `jitter` from now, so that many do not come back at once.

    Raises:
        InvalidArgument: it is no usable duration.
    """
    check_duration("jitter", jitter)
    return now if jitter is None else now + jitter * random.random()


def check_flag(field: str, value: object) -> None:
    """Refuse what is neither True nor False.

    Raises:
        InvalidArgument: it names the field.
    """
    if not isinstance(value, bool):
        raise InvalidArgument(f"{field} must be True or False, not {value!r}", field=field)


def due(one: Pending, at: dt.datetime) -> dict[str, Any]:
    """Give the changes that let a waiting activity be handed over at a moment."""
    order, scheduled_at = one.attempt.order, one.attempt.scheduled_at
    timeout_at, kind = deadlines.while_scheduled(order, scheduled_at, at)
    return {
        "next_attempt_at": at,
        "published_at": None,
        "timeout_at": timeout_at,
        "timeout_kind": kind,
    }


def without_wait(one: Pending) -> dict[str, Any]:
    """Give the deadline of an activity that is paused by hand: it waits for an operator, not for a worker."""
    order, scheduled_at = one.attempt.order, one.attempt.scheduled_at
    timeout_at, kind = deadlines.while_scheduled(
        order, scheduled_at, one.next_attempt_at, paused=True
    )
    return {"timeout_at": timeout_at, "timeout_kind": kind}


def as_it_is(one: Pending) -> dict[str, Any]:
    """Give the same columns as they are."""
    return {
        "next_attempt_at": one.next_attempt_at,
        "published_at": one.published_at,
        "timeout_at": one.timeout_at,
        "timeout_kind": one.timeout_kind,
    }


def anew(one: Pending, at: dt.datetime, *, reset_heartbeat: bool) -> dict[str, Any]:
    """Give the changes that let an activity begin at its first attempt again.

    A running attempt is told and goes on meanwhile: its result would count. One that waits for its token is
    taken back, since nobody could tell it: the token is void.
    """
    attempt, details = one.attempt.attempt, one.attempt.heartbeat_details
    kept = "[]" if reset_heartbeat else details
    if one.state == "running":
        return {
            "state": "running",
            "attempt": attempt,
            "attempts_forgotten": one.attempt.forgotten,
            "heartbeat_details": details,
            "started_at": one.attempt.started_at,
            "reset_requested": True,
            "reset_heartbeat": reset_heartbeat or one.reset_heartbeat,
            **as_it_is(one),
        }
    begun = int(one.begun)
    return {
        "state": "scheduled",
        "attempt": attempt + begun,
        "attempts_forgotten": attempt + begun - 1,
        "heartbeat_details": kept,
        "started_at": None,
        "reset_requested": False,
        "reset_heartbeat": False,
        **due(one, at),
    }

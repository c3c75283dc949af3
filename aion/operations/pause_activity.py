"""Pause a pending activity, and let it go on."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Final

from aion.core.errors import WrongState
from aion.operations import bell
from aion.operations.checking import check_duration, check_text
from aion.operations.clock import clock
from aion.operations.pending_activity import (
    anew,
    as_it_is,
    check_flag,
    check_who_and_why,
    delayed,
    due,
    lock,
    without_wait,
)
from aion.store import pending
from aion.store.dialects import atomic
from aion.store.pending import Pending

_BATCH: Final = 500
_FIRST: Final = uuid.UUID(int=0)
_Changes = dict[str, Any]


def pause_activity(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None,
    activity_id: str,
    *,
    reason: str = "",
    by: str = "",
) -> None:
    """Let an activity not be begun until it is unpaused. A running attempt is told; its outcome counts.

    The deadline of the whole activity (`schedule_to_close`) goes on; the wait for a worker
    (`schedule_to_start`) does not.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        ActivityNotFound: it has no such pending activity.
        WrongState: the activity is paused already, or is being cancelled.
    """
    check_who_and_why(by, reason)
    with atomic():
        one = lock(workflow_id, run_id, activity_id)
        if one.paused_at is not None:
            raise _wrong(one, f"paused already, since {one.paused_at:%Y-%m-%d %H:%M:%S} UTC")
        if one.cancel_requested:
            raise _wrong(one, "being cancelled by its workflow")
        pending.change([(one, _paused(one, reason, by))])


def _wrong(one: Pending, what: str) -> WrongState:
    attempt = one.attempt
    return WrongState(
        f"Activity {attempt.order.activity_id} of run {attempt.run_id} is {what}",
        run_id=attempt.run_id,
        activity_id=attempt.order.activity_id,
    )


def _paused(one: Pending, reason: str, by: str) -> _Changes:
    deadline = (
        {"timeout_at": one.timeout_at, "timeout_kind": one.timeout_kind}
        if one.begun
        else without_wait(one)
    )
    return {
        "paused": True,
        "paused_at": clock.now(),
        "paused_by": by,
        "pause_reason": reason,
        **deadline,
    }


def unpause_activity(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None,
    activity_id: str,
    *,
    reset_attempts: bool = False,
    reset_heartbeat: bool = False,
    jitter: dt.timedelta | None = None,
) -> None:
    """Let a paused activity go on: at once if it is due, within `jitter` if that is given.

    `reset_attempts` begins at the first attempt again; `reset_heartbeat` drops the details of the last one.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        ActivityNotFound: it has no such pending activity.
        WrongState: the activity is not paused by hand.
        InvalidArgument: `jitter` is no duration, or a flag no flag.
    """
    _check(reset_attempts, reset_heartbeat, jitter)
    with atomic():
        one = lock(workflow_id, run_id, activity_id)
        if one.paused_at is None:
            raise _wrong(one, "not paused by hand")
        _unpause([one], reset_attempts, reset_heartbeat, jitter)


def _check(reset_attempts: object, reset_heartbeat: object, jitter: object) -> None:
    check_flag("reset_attempts", reset_attempts)
    check_flag("reset_heartbeat", reset_heartbeat)
    check_duration("jitter", jitter)


def _unpause(
    ones: list[Pending], reset_attempts: bool, reset_heartbeat: bool, jitter: dt.timedelta | None
) -> None:
    pending.change([(one, _unpaused(one, reset_attempts, reset_heartbeat, jitter)) for one in ones])
    pending.follow_runs([one.attempt.id for one in ones])
    bell.ring_for_activities_after_commit()


def _unpaused(
    one: Pending, reset_attempts: bool, reset_heartbeat: bool, jitter: dt.timedelta | None
) -> _Changes:
    at = delayed(clock.now(), jitter)
    if reset_attempts:
        changes = anew(one, at, reset_heartbeat=reset_heartbeat)
    else:
        changes = as_it_is(one) if one.begun else due(one, max(one.next_attempt_at, at))
        changes["heartbeat_details"] = (
            "[]" if reset_heartbeat and not one.begun else one.attempt.heartbeat_details
        )
        changes["reset_heartbeat"] = one.begun and (one.reset_heartbeat or reset_heartbeat)
    return {**changes, "paused": False, "paused_at": None, "paused_by": "", "pause_reason": ""}


# --- all of a type --------------------------------------------------------------------------------


def pause_activity_type(activity_type: str, *, reason: str = "", by: str = "") -> int:
    """Pause every pending activity of a type; give their number. Those asked for later are not paused.

    Raises:
        InvalidArgument: an argument is no text.
    """
    check_text("activity_type", activity_type)
    check_who_and_why(by, reason)

    def pause(ones: list[Pending]) -> None:
        pending.change([(one, _paused(one, reason, by)) for one in ones])

    return _all_of(activity_type, pause, paused=False)


def unpause_activity_type(
    activity_type: str,
    *,
    reset_attempts: bool = False,
    reset_heartbeat: bool = False,
    jitter: dt.timedelta | None = None,
) -> int:
    """Unpause every activity of a type that is paused by hand; give their number. Mind `jitter`.

    Raises:
        InvalidArgument: an argument is not usable.
    """
    check_text("activity_type", activity_type)
    _check(reset_attempts, reset_heartbeat, jitter)
    return _all_of(
        activity_type,
        lambda ones: _unpause(ones, reset_attempts, reset_heartbeat, jitter),
        paused=True,
    )


def _all_of(activity_type: str, act: Any, *, paused: bool) -> int:
    """Act on batches of rows that nobody holds, each in a transaction; then on the rest, one by one."""
    count, last = 0, _FIRST
    while True:
        with atomic():
            ones = pending.lock_batch(activity_type, paused=paused, after=last, limit=_BATCH)
            if not ones:
                break
            act(ones)
        count, last = count + len(ones), ones[-1].attempt.id
    for run_id, activity_id in pending.identities(activity_type, paused=paused, limit=_BATCH):
        with atomic():
            one = pending.lock_one(run_id, activity_id)
            if one is not None and (one.paused_at is not None) is paused:
                act([one])
                count += 1
    return count

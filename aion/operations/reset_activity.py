"""Let a pending activity begin at its first attempt again."""

from __future__ import annotations

import datetime as dt
import uuid

from aion.operations import bell
from aion.operations.clock import clock
from aion.operations.pending_activity import anew, check_flag, delayed, lock, without_wait
from aion.store import pending
from aion.store.dialects import atomic


def reset_activity(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None,
    activity_id: str,
    *,
    reset_heartbeat: bool = False,
    keep_paused: bool = False,
    jitter: dt.timedelta | None = None,
) -> None:
    """Forget the attempts so far, and begin again at once, or within `jitter`.

    A running attempt is told. When it stops or fails, the next one is the first; if it completes all the
    same, that counts. An activity that waits for its token begins again, and the token is void. The details
    of the last heartbeat stay unless `reset_heartbeat`; a pause ends unless `keep_paused`. The deadline of
    the whole activity stays as it was.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        ActivityNotFound: it has no such pending activity.
        InvalidArgument: `jitter` is no duration, or a flag no flag.
    """
    check_flag("reset_heartbeat", reset_heartbeat)
    check_flag("keep_paused", keep_paused)
    at = delayed(clock.now(), jitter)
    with atomic():
        one = lock(workflow_id, run_id, activity_id)
        changes = anew(one, at, reset_heartbeat=reset_heartbeat)
        if keep_paused and one.paused_at is not None:
            changes |= without_wait(one) if changes["state"] == "scheduled" else {}
        else:
            changes |= {"paused": False, "paused_at": None, "paused_by": "", "pause_reason": ""}
        pending.change([(one, changes)])
        pending.follow_runs([one.attempt.id])
        bell.ring_for_activities_after_commit()

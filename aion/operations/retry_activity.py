"""Let an activity that waits for its next attempt have it now."""

from __future__ import annotations

import uuid

from aion.core.errors import WrongState
from aion.operations import bell
from aion.operations.clock import clock
from aion.operations.pending_activity import due, lock
from aion.store import pending
from aion.store.dialects import atomic


def retry_activity_now(
    workflow_id: str | None, run_id: uuid.UUID | str | None, activity_id: str
) -> None:
    """End the wait for the next attempt, and hand the activity over again.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        ActivityNotFound: it has no such pending activity.
        WrongState: an attempt is running, or the activity or its run is paused.
    """
    with atomic():
        one = lock(workflow_id, run_id, activity_id)
        if one.begun or one.paused:
            what = "running" if one.begun else "paused"
            raise WrongState(
                f"Activity {activity_id} of run {one.attempt.run_id} is {what}: "
                "there is no wait to be ended",
                run_id=one.attempt.run_id,
                activity_id=activity_id,
            )
        pending.change([(one, due(one, clock.now()))])
        bell.ring_for_activities_after_commit()

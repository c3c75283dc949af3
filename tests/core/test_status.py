"""The status of a run, as its events say."""

from __future__ import annotations

import pytest

from aion.core import events
from aion.core.failures import Failure
from aion.core.status import RunStatus, project

START = events.WorkflowStarted(workflow_id="a", workflow_type="t")
FAILED = events.WorkflowFailed(failure=Failure(type="E", message=""))


@pytest.mark.parametrize(
    ("history", "status"),
    [
        ([], RunStatus.RUNNING),
        ([START], RunStatus.RUNNING),
        ([START, events.TimerFired(timer_id="1")], RunStatus.RUNNING),
        ([START, events.WorkflowPaused()], RunStatus.PAUSED),
        ([START, events.WorkflowPaused(), events.WorkflowResumed()], RunStatus.RUNNING),
        ([START, FAILED], RunStatus.FAILED),
        ([START, FAILED, events.WorkflowReopened(keep_until=1)], RunStatus.RUNNING),
    ],
    ids=["nothing", "started", "going on", "paused", "resumed", "failed", "reopened"],
)
def test_the_newest_deciding_event_makes_the_status(
    history: list[events.Event], status: RunStatus
) -> None:
    assert project(history) is status

"""Where histories may be cut, and what they wait for."""

from __future__ import annotations

import msgspec
import pytest

from aion.core import events
from aion.core.events import Event
from aion.core.failures import Failure
from aion.core.history import Recorded
from aion.core.pending import end_begins, group_ends, pending_work
from tests.support.clocks import START

STARTED = events.WorkflowStarted(workflow_id="w", workflow_type="t")
ASKED = events.ActivityScheduled(activity_id="1", activity_type="a", input=msgspec.Raw(b"{}"))
BEGUN = events.ActivityStarted(activity_id="1", attempt=1)
DONE = events.ActivityCompleted(activity_id="1", activity_type="a", result=msgspec.Raw(b"1"))
TIMER = events.TimerStarted(timer_id="1", fire_at=START)
SIGNAL = events.SignalReceived(name="s")
PAUSED, RESUMED = events.WorkflowPaused(), events.WorkflowResumed()
REOPENED = events.WorkflowReopened(keep_until=1)
FAILURE = Failure(type="E", message="m")
UNFIT = Failure(type="E", message="m", kind="non_determinism")


def history(*happened: Event, first: int = 1) -> list[Recorded]:
    return [Recorded(seq, START, event) for seq, event in enumerate(happened, first)]


@pytest.mark.parametrize(
    ("happened", "ends"),
    [
        pytest.param([STARTED], [1], id="start"),
        pytest.param([STARTED, ASKED, TIMER], [1, 3], id="commands"),
        pytest.param([STARTED, ASKED, SIGNAL, SIGNAL, TIMER], [1, 2, 3, 5], id="arrivals"),
        pytest.param([STARTED, ASKED, BEGUN, DONE, TIMER], [1, 2, 5], id="note-before-outcome"),
        pytest.param([STARTED, ASKED, BEGUN], [1, 2], id="note-at-the-end"),
        pytest.param([STARTED, ASKED, PAUSED, RESUMED, SIGNAL], [1, 2, 5], id="paused"),
        pytest.param([STARTED, REOPENED, ASKED, SIGNAL], [1, 3, 4], id="start-behind-the-mark"),
        pytest.param([STARTED, ASKED, SIGNAL, events.WorkflowCompleted()], [1, 2], id="ended"),
        pytest.param(
            [STARTED, ASKED, BEGUN, DONE, SIGNAL, events.WorkflowCompleted(decided_by=4)],
            [1, 2],
            id="ended-before-a-signal",
        ),
        pytest.param([STARTED, events.WorkflowCompleted()], [1], id="ended-at-once"),
        pytest.param([STARTED, SIGNAL, events.WorkflowTerminated()], [1, 2], id="terminated"),
        pytest.param(
            [STARTED, SIGNAL, events.WorkflowTimedOut(kind="run")], [1, 2], id="timed-out"
        ),
        pytest.param(
            [STARTED, SIGNAL, events.WorkflowFailed(failure=UNFIT)], [1, 2], id="fits-no-more"
        ),
    ],
)
def test_a_history_may_be_cut_behind_whole_groups(happened: list[Event], ends: list[int]) -> None:
    assert group_ends(history(*happened)) == ends
    later = group_ends(history(*happened[:-1], _later(happened[-1]), first=11))
    assert later == [end + 10 for end in ends]


def _later(event: Event) -> Event:
    decided_by = getattr(event, "decided_by", 0)
    return msgspec.structs.replace(event, decided_by=decided_by + 10) if decided_by else event


@pytest.mark.parametrize("decided_by", [0, 5])
def test_the_end_begins_with_the_arrival_that_ended_the_code(decided_by: int) -> None:
    ended = events.WorkflowFailed(failure=FAILURE, decided_by=decided_by)
    happened = history(STARTED, SIGNAL, TIMER, BEGUN, DONE, SIGNAL, SIGNAL, ended)

    assert end_begins(happened) == (3 if decided_by else 6)
    assert end_begins(happened[:-1]) == 7


def test_a_cancel_that_gives_up_a_child_is_not_waited_for() -> None:
    sent = events.SignalSent(workflow_id="o", name="s", request_id="1")
    asked = events.ExternalCancelRequested(workflow_id="c")

    work = pending_work(history(STARTED, sent, asked))
    assert work.requests == {"1": sent}
    answered = events.ExternalRequestDelivered(request_id="1")
    assert pending_work(history(STARTED, sent, asked, answered)).requests == {}

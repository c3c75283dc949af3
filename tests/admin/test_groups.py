"""The compact history: what belongs together is a group, the rest stands alone."""

from __future__ import annotations

from aion.admin.groups import groups
from aion.core import events
from aion.core.failures import Failure
from tests.admin.test_timeline import START, recorded, scheduled


def test_an_activity_is_one_group_from_its_scheduling_to_its_outcome() -> None:
    failure = Failure(type="Declined", message="no")
    (group,) = groups(
        recorded(
            (0, scheduled("a")),
            (1, events.ActivityStarted(activity_id="a", attempt=3)),
            (2, events.ActivityFailed(activity_id="a", failure=failure)),
        )
    )

    assert (group.kind, group.label, group.outcome, group.attempt) == ("activity", "A", "failed", 3)
    assert group.failure == "Declined: no"
    assert group.took is not None
    assert group.took.total_seconds() == 2
    assert [one.seq for one in group.events] == [1, 2, 3]


def test_groups_stand_in_the_order_in_which_they_begin() -> None:
    found = groups(
        recorded(
            (0, scheduled("a")),
            (0, events.TimerStarted(timer_id="1", fire_at=START, summary="a nap")),
            (1, events.SignalReceived(name="go")),
            (2, events.TimerFired(timer_id="1")),
            (3, events.ActivityCompleted(activity_id="a")),
            (3, events.WorkflowCompleted()),
        )
    )

    assert [(group.label, group.outcome) for group in found] == [
        ("A", "completed"),
        ("a nap", "completed"),
        ("go", "completed"),
        ("completed", "completed"),
    ]


def test_an_outcome_whose_beginning_is_elsewhere_is_a_group() -> None:
    (group,) = groups(recorded((0, events.ActivityCompleted(activity_id="7"))))

    assert (group.label, group.outcome, group.took) == ("activity 7", "completed", None)


def test_an_id_that_comes_again_is_a_group_of_its_own() -> None:
    again = [(0.0, scheduled("a")), (1.0, events.ActivityCompleted(activity_id="a"))]

    assert [len(group.events) for group in groups(recorded(*again, *again))] == [2, 2]


def test_what_is_open_has_not_ended() -> None:
    (group,) = groups(recorded((0, scheduled("a"))))

    assert (group.outcome, group.ended_at, group.took) == ("open", None, None)

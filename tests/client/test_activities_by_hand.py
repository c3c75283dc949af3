"""Outcomes that somebody gives by hand, by the activity's id."""

from __future__ import annotations

from typing import Any

import pytest

from aion import activity
from aion.core.errors import PayloadUnserializable
from aion.core.events import ActivityCompleted, ActivityFailed, ActivitySettledByHand
from tests.client.operated import World, failing
from tests.support.rows import counts, events_of, kinds_of

pytestmark = pytest.mark.django_db


def test_a_result_by_hand_is_recorded_with_who_and_why(world: World) -> None:
    handle = world.start()
    handle.complete({"paid": True}, reason="paid by cheque", by="ada")

    assert world.result() == {"paid": True}
    note, outcome = events_of(world.handle.run_id)[2:4]  # type: ignore[arg-type]
    assert note == ActivitySettledByHand(activity_id="1", by="ada", reason="paid by cheque")
    assert isinstance(outcome, ActivityCompleted)
    assert world.calls == []


def test_a_failure_by_hand_ends_it_whatever_the_policy(world: World) -> None:
    handle = failing(world)
    handle.fail("gave it up", reason="no use")

    assert world.result() == ["RuntimeError", "gave it up", 2]
    assert isinstance(events_of(world.handle.run_id)[3], ActivityFailed)  # type: ignore[arg-type]


def test_a_cancel_by_hand_reaches_the_code(world: World) -> None:
    handle = world.start()
    handle.cancel("not needed")
    world.engine.go()

    assert kinds_of(world.handle.run_id)[2:4] == [  # type: ignore[arg-type]
        "ActivitySettledByHand",
        "ActivityCancelled",
    ]


def test_an_attempt_that_runs_meanwhile_loses_its_lease(world: World) -> None:
    told: list[Any] = []

    def meanwhile() -> None:
        handle.complete("by hand")
        try:
            activity.heartbeat()
        finally:
            told.append(activity.cancellation_details())

    world.during = meanwhile
    handle = world.start()
    world.engine.act()

    assert told == [activity.CancellationDetails(not_found=True)]
    assert world.result() == "by hand"


def test_a_result_without_a_json_form_changes_nothing(world: World) -> None:
    handle = world.start()
    before = counts()

    with pytest.raises(PayloadUnserializable):
        handle.complete(object())

    assert counts() == before
    assert world.result() == 1


def test_a_history_with_an_outcome_by_hand_replays(world: World) -> None:
    handle = world.start()
    handle.complete(7)
    world.result()
    world.engine.loop.turns.cache.clear()

    assert world.handle.query("read") == []

"""A priority from the start on: what a run brings forth has it too, and nobody writes the usual one."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from aion import ApplicationError, RetryPolicy, client, workflow
from aion.core import events
from aion.core.errors import InvalidArgument
from aion.models import ActivityTask, Event, Message, Run, Timer
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted
from tests.support.rows import events_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _scripts(script: Any) -> None:
    @script
    async def family(me: Scripted) -> None:
        await workflow.start_child_workflow(Scripted, "waiting", id="heir")
        await workflow.start_child_workflow(Scripted, "waiting", id="other", priority=5)
        workflow.start_activity(kit.act, "nothing")
        kit.act.with_options(priority=4).start("nothing")
        await asyncio.sleep(60)

    @script
    async def waiting(me: Scripted) -> None:
        await asyncio.sleep(60)

    @script
    async def again(me: Scripted, left: int) -> int:
        if left:
            workflow.continue_as_new("again", left - 1)
        await asyncio.sleep(60)
        return workflow.info().priority

    @script
    async def failing(me: Scripted) -> None:
        raise ApplicationError("no")


def test_children_activities_and_timers_have_their_runs_unless_told(engine: Engine) -> None:
    parent = engine.start("family", id="parent", priority=2)
    engine.turns()

    assert dict(Run.objects.values_list("workflow_id", "priority")) == {
        "parent": 2,
        "heir": 2,
        "other": 5,
    }
    assert list(ActivityTask.objects.order_by("id").values_list("priority", flat=True)) == [2, 4]
    assert set(Timer.objects.values_list("run__workflow_id", "priority")) == {
        ("parent", 2),
        ("heir", 2),
        ("other", 5),
    }
    shown = parent.describe()
    assert shown.priority == 2
    assert [one.priority for one in shown.pending_activities] == [2, 4]


def test_the_usual_priority_is_in_no_event(engine: Engine) -> None:
    handle = engine.start("family")
    engine.turns()

    events = Event.objects.filter(run_id=handle.run_id).order_by("seq")
    stored = events.values_list("kind", "attributes")
    said = [kind for kind, attributes in stored if "priority" in attributes]
    assert said == ["ChildWorkflowStarted", "ActivityScheduled"], "of those that were told"
    assert client.get_workflow_handle("heir").describe().priority == 3


def test_a_chain_keeps_it(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("again", 2, priority=1)
    engine.turns()
    assert set(Run.objects.values_list("priority", flat=True)) == {1}

    clock.move(61)
    engine.turns()
    assert handle.result(0) == 1


def test_a_run_that_is_tried_again_or_reset_keeps_it(engine: Engine) -> None:
    engine.start("failing", id="f", priority=4, retry=RetryPolicy(maximum_attempts=2))
    waits = engine.start("family", id="w", priority=1)
    engine.turns()
    waits.reset(to_seq=events_last(waits.run_id))

    chains = Run.objects.filter(workflow_id__in="fw").values_list("workflow_id", "priority")
    assert sorted(chains) == [("f", 4), ("f", 4), ("w", 1), ("w", 1)]
    again = ActivityTask.objects.exclude(run_id=waits.run_id).filter(run__workflow_id="w")
    assert list(again.order_by("id").values_list("priority", flat=True)) == [1, 4]


def events_last(run_id: Any) -> int:
    return Event.objects.filter(run_id=run_id).order_by("-seq").values_list("seq", flat=True)[0]


def test_an_urgent_run_overtakes_those_that_wait(engine: Engine, settings: Any) -> None:
    settings.AION = {**settings.AION, "BATCH_RUNS": 2}
    engine.loop.turns.reach.runs = 2
    for name in ("a", "b", "c", "d"):
        engine.start("waiting", id=name)
    engine.start("waiting", id="urgent", priority=1)

    engine.turn()

    begun = Run.objects.filter(head_seq__gt=1).values_list("workflow_id", flat=True)
    assert set(begun) == {"a", "urgent"}


def test_answers_go_by_the_priority_of_who_waits(engine: Engine, acting: Any) -> None:
    @acting
    def nothing() -> None:
        return None

    urgent = engine.start("family", id="parent", priority=1)
    engine.turns()
    engine.act()
    client.get_workflow_handle("other").terminate()
    urgent.signal("note", 1)

    waiting = Message.objects.filter(run_id=urgent.run_id)
    assert set(waiting.values_list("priority", flat=True)) == {1}
    assert waiting.count() == 4, "started and completed, the end of the child, a signal"


@pytest.mark.parametrize("value", [0, 6, -1, 2.0, "2", True, None])
def test_another_value_is_refused_and_changes_nothing(engine: Engine, value: Any) -> None:
    with pytest.raises(InvalidArgument, match="priority must be a whole number from 1"):
        engine.start("waiting", priority=value)
    with pytest.raises(InvalidArgument, match="priority must be a whole number from 1"):
        client.create_schedule("s", kit.greet, "ada", spec="* * * * *", priority=value)
    if value is not None:
        with pytest.raises(ValueError, match="priority must be a whole number from 1"):
            kit.act.with_options(priority=value)
    assert not Run.objects.exists()


def test_a_schedule_starts_with_it(engine: Engine) -> None:
    schedule = client.create_schedule(
        "s", kit.greet, "ada", spec=dt.timedelta(hours=1), priority=5, trigger_immediately=True
    )

    assert Run.objects.get().priority == 5
    assert schedule.describe().config.action.priority == 5


def test_many_are_started_with_it(engine: Engine) -> None:
    client.start_workflows(kit.greet, [("a",), ("b",)], priority=2)

    assert list(Run.objects.values_list("priority", flat=True)) == [2, 2]
    assert list(Message.objects.values_list("priority", flat=True)) == [2, 2]
    [first, _] = Run.objects.all()
    [started] = events_of(first.id)
    assert isinstance(started, events.WorkflowStarted)
    assert started.priority == 2

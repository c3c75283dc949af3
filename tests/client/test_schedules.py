"""What callers do with schedules: make, look at, change, list and delete them; what is refused."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from aion import RetryPolicy, client
from aion.client import ScheduleHandle, ScheduleSpec
from aion.core.errors import (
    InvalidArgument,
    PayloadError,
    ScheduleAlreadyExists,
    ScheduleConflict,
    ScheduleNotFound,
    UnknownType,
    WrongState,
)
from aion.models import Firing, Run, Schedule, ScheduleEvent
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.kit import Waiting, greet

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def schedule(engine: Engine) -> ScheduleHandle:
    return client.create_schedule("s", greet, "ada", spec=HOUR)


def test_a_description(engine: Engine) -> None:
    spec = ScheduleSpec(crons=("0 9 * * *",), time_zone="Europe/Berlin")
    schedule = client.create_schedule(
        "report",
        greet,
        "ada",
        spec=spec,
        kwargs={"times": 2},
        overlap="buffer_one",
        remaining_actions=3,
        note="first",
        workflow_id="r-{time}",
        task_queue="slow",
        retry=RetryPolicy(maximum_attempts=2),
        memo={"a": 1},
        headers={"h": "v"},
    )

    found = schedule.describe()

    assert schedule.created
    assert (found.schedule_id, found.workflow_type) == ("report", "kit.greet")
    assert found.config.spec == spec
    assert found.config.overlap is client.OverlapPolicy.BUFFER_ONE
    assert [f"{each:%m-%d %H:%M}" for each in found.next_times] == [
        *("03-02 08:00", "03-03 08:00", "03-04 08:00")
    ]
    assert found.next_at == found.next_times[0]
    assert (found.token, found.history_length, found.note) == (1, 1, "first")
    firing = schedule.trigger()
    run = client.get_workflow_handle(firing.workflow_id)
    assert firing.workflow_id == "r-2026-03-01T12:00:00Z"
    first = run.fetch_history()[0].event
    assert (first.task_queue, first.retry.maximum_attempts) == ("slow", 2)  # type: ignore[attr-defined]
    assert (run.describe().memo, first.headers) == ({"a": 1}, {"h": "v"})  # type: ignore[attr-defined]


def test_an_unlimited_schedule_shows_ten_times(schedule: ScheduleHandle) -> None:
    assert schedule.describe().next_times == [START + HOUR * n for n in range(1, 11)]


def test_what_is_rolled_back_leaves_no_trace(engine: Engine) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        client.create_schedule("s", greet, "ada", spec=HOUR, trigger_immediately=True)
        raise RuntimeError

    assert not Schedule.objects.exists()
    assert not ScheduleEvent.objects.exists()
    assert not Run.objects.exists()


def test_an_id_is_taken_until_it_is_deleted(schedule: ScheduleHandle) -> None:
    with transaction.atomic():
        with pytest.raises(ScheduleAlreadyExists):
            client.create_schedule("s", greet, "bob", spec=HOUR)
        assert Schedule.objects.count() == 1  # the transaction is usable

    schedule.delete("over")

    with pytest.raises(ScheduleNotFound):
        schedule.describe()
    assert client.list_schedules() == []
    assert client.create_schedule("s", greet, "bob", spec=HOUR).created


def test_a_deleted_schedule_lets_its_runs_go_on_and_looks_at_them_no_more(
    engine: Engine, clock: StandingClock
) -> None:
    schedule = client.create_schedule("s", Waiting, spec=HOUR, trigger_immediately=True)
    schedule.trigger("buffer_one")

    schedule.delete()
    [run] = Run.objects.all()
    client.get_workflow_handle(run.workflow_id).signal(Waiting.on_go)
    engine.turns()
    engine.tick()

    assert client.get_workflow_handle(run.workflow_id).describe().status == "completed"
    assert [firing.state for firing in Firing.objects.order_by("nominal_at")] == [
        *("ended", "skipped")
    ]
    assert Run.objects.count() == 1


def test_create_twice_with_one_request_id_is_one(engine: Engine) -> None:
    first = client.create_schedule("s", greet, "ada", spec=HOUR, request_id="r")
    again = client.create_schedule("s", greet, "ada", spec=HOUR, request_id="r")

    assert (first.created, again.created) == (True, False)
    with pytest.raises(ScheduleAlreadyExists):
        client.create_schedule("s", greet, "ada", spec=HOUR, request_id="other")


def test_it_may_fire_at_once(engine: Engine) -> None:
    schedule = client.create_schedule("s", greet, "ada", spec=HOUR, trigger_immediately=True)

    assert [each.source for each in schedule.describe().recent] == ["trigger"]


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"spec": "0 9 * *"}, InvalidArgument, "4 fields"),
        ({"spec": 5}, InvalidArgument, "spec"),
        ({"spec": ScheduleSpec(crons=("0 9 * * *",), end_at=START)}, InvalidArgument, "no time"),
        ({"overlap": "sometimes"}, InvalidArgument, "overlap"),
        ({"catch_up": "some"}, InvalidArgument, "catch_up"),
        ({"catch_up_window": 5}, InvalidArgument, "catch_up_window"),
        ({"remaining_actions": -1}, InvalidArgument, "remaining_actions"),
        ({"remaining_actions": 2**40}, InvalidArgument, "remaining_actions"),
        ({"pause_on_failure": "yes"}, InvalidArgument, "pause_on_failure"),
        ({"workflow_id": "{x}"}, InvalidArgument, "workflow_id"),
        ({"workflow_id": "x" * 256}, InvalidArgument, "workflow_id"),
        ({"task_queue": "x" * 256}, InvalidArgument, "task_queue"),
        ({"run_timeout": -HOUR}, InvalidArgument, "run_timeout"),
        ({"retry": 3}, InvalidArgument, "retry"),
        ({"memo": {"a": object()}}, PayloadError, "memo"),
        ({"memo": 5}, InvalidArgument, "memo"),
        ({"search_attributes": {"a": "\0"}}, InvalidArgument, "search_attributes"),
        ({"headers": {"a": 1}}, InvalidArgument, "headers"),
        ({"kwargs": {"wrong": 1}}, TypeError, "wrong"),
        ({"note": "\0"}, InvalidArgument, "note"),
        ({"request_id": 5}, InvalidArgument, "request_id"),
        ({"schedule_id": ""}, InvalidArgument, "schedule_id"),
        ({"schedule_id": "x" * 256}, InvalidArgument, "schedule_id"),
        ({"schedule_id": None}, InvalidArgument, "schedule_id"),
        ({"workflow": "kit.Nothing"}, UnknownType, "kit.Nothing"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_changes_nothing(
    engine: Engine, change: dict[str, Any], error: type[Exception], named: str
) -> None:
    options: dict[str, Any] = {"schedule_id": "s", "workflow": greet, "spec": HOUR, **change}

    with pytest.raises(error, match=named):
        client.create_schedule(
            options.pop("schedule_id"), options.pop("workflow"), "ada", **options
        )

    assert not Schedule.objects.exists()


# --- changes --------------------------------------------------------------------------------------


def test_an_update_changes_what_is_told(schedule: ScheduleHandle, clock: StandingClock) -> None:
    action = client.schedule_action(greet, "bob")

    schedule.update(
        lambda config: config.replace(
            spec=ScheduleSpec(crons=("30 * * * *",)), action=action, overlap="allow_all"
        )
    )

    found = schedule.describe()
    assert (found.token, found.config.action) == (2, action)
    assert found.next_at == START + HOUR / 2
    assert [each.kind for each in schedule.fetch_history()][-1] == "ScheduleUpdated"


def test_an_update_that_cannot_be_used_changes_nothing(schedule: ScheduleHandle) -> None:
    before = Schedule.objects.values().get()
    past = ScheduleSpec(crons=("0 9 * * *",), end_at=START)
    changes: list[Callable[[Any], Any]] = [
        lambda config: config.replace(spec=past),
        lambda config: config.replace(overlap="never"),
        lambda config: {"spec": 1},
        lambda config: None,
    ]

    for change in changes:
        with pytest.raises(InvalidArgument):
            schedule.update(change)

    assert Schedule.objects.values().get() == before


def test_an_update_behind_another_is_made_again_from_what_that_left(
    schedule: ScheduleHandle,
) -> None:
    seen = []

    def change(config: Any) -> Any:
        seen.append(config.overlap)
        if len(seen) == 1:
            schedule.update(lambda other: other.replace(overlap="buffer_all"))
        return config.replace(pause_on_failure=True)

    schedule.update(change)

    found = schedule.describe()
    assert seen == ["skip", "buffer_all"]
    assert (found.config.overlap, found.config.pause_on_failure) == ("buffer_all", True)


def test_an_update_with_a_stale_token_is_refused(schedule: ScheduleHandle) -> None:
    token = schedule.describe().token
    config = schedule.describe().config
    schedule.update(config.replace(overlap="allow_all"), token=token)

    with pytest.raises(ScheduleConflict) as caught:
        schedule.update(config, token=token)

    assert (caught.value.expected, caught.value.found) == (1, 2)  # type: ignore[attr-defined]
    assert schedule.describe().config.overlap == "allow_all"


def test_pause_and_resume_say_when_there_is_nothing_to_do(schedule: ScheduleHandle) -> None:
    schedule.pause("holiday", request_id="p")
    schedule.pause("holiday", request_id="p")
    with pytest.raises(WrongState):
        schedule.pause()
    assert schedule.describe().note == "holiday"

    schedule.resume("back")
    with pytest.raises(WrongState):
        schedule.resume()
    assert [each.kind for each in schedule.fetch_history(from_seq=2)] == [
        "SchedulePaused",
        "ScheduleResumed",
    ]


def test_schedules_are_listed_page_by_page(engine: Engine) -> None:
    for number in range(5):
        client.create_schedule(f"s{number}", greet, "ada", spec=HOUR, paused=number == 3)
    client.create_schedule("other", Waiting, spec=HOUR)

    first = client.list_schedules(limit=4)
    rest = client.list_schedules(limit=4, after=first[-1].schedule_id)

    assert [each.schedule_id for each in first + rest] == ["other", "s0", "s1", "s2", "s3", "s4"]
    assert [each.schedule_id for each in client.list_schedules(paused=True)] == ["s3"]
    assert [each.schedule_id for each in client.list_schedules(workflow_type="kit.Waiting")] == [
        "other"
    ]
    for options in ({"limit": 0}, {"limit": 1_001}, {"after": "\0"}):
        with pytest.raises(InvalidArgument):
            client.list_schedules(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "verb", ["describe", "fetch_history", "pause", "resume", "trigger", "delete", "update"]
)
@pytest.mark.parametrize("schedule_id", ["none", "\0", "\ud800", "x" * 300])
def test_an_unknown_schedule_is_said_to_be_unknown(
    engine: Engine, verb: str, schedule_id: str
) -> None:
    with pytest.raises(ScheduleNotFound):
        getattr(client.get_schedule_handle(schedule_id), verb)()


def test_every_verb_has_an_async_twin() -> None:
    verbs = [name for name, _ in inspect.getmembers(ScheduleHandle, inspect.isfunction)]
    public = {name for name in verbs if not name.startswith("_")}

    plain = {
        name for name in public if not inspect.iscoroutinefunction(getattr(ScheduleHandle, name))
    }
    assert {f"a{name}" for name in plain} == public - plain


@pytest.mark.django_db(transaction=True)
def test_the_async_twins(engine: Engine) -> None:
    async def story() -> list[str]:
        schedule = await client.acreate_schedule("s", greet, "ada", spec=HOUR)
        await schedule.apause("p")
        await schedule.aresume()
        action = await client.aschedule_action(greet, "bob")
        await schedule.aupdate(lambda config: config.replace(overlap="allow_all", action=action))
        firing = await schedule.atrigger()
        assert firing.state == "running"
        assert await schedule.abackfill(START - HOUR, START) == 2
        assert (await schedule.adescribe()).token == 2
        assert len(await client.alist_schedules()) == 1
        kinds = [each.kind for each in await schedule.afetch_history()]
        await schedule.adelete()
        return kinds

    assert asyncio.run(story()) == [
        "ScheduleCreated",
        "SchedulePaused",
        "ScheduleResumed",
        "ScheduleUpdated",
        "ScheduleTriggered",
        "ScheduleBackfilled",
    ]

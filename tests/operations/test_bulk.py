"""One verb for many runs: none twice, none that started meanwhile, and no failure stops the others."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import DatabaseError

from aion import client, workflow
from aion.core.errors import InvalidArgument, InvalidListQuery, PayloadUnserializable
from aion.core.events import WorkflowStarted
from aion.core.ids import uuid7
from aion.models import Message, Run
from aion.operations import bulk
from aion.store import new_runs
from aion.store.dialects import connection
from aion.store.new_runs import NewRun
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.rows import kinds_of

pytestmark = pytest.mark.django_db

SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def waiting(engine: Engine, script: Any, clock: StandingClock) -> list[client.WorkflowHandle]:
    """Ten runs that wait for notes; they started one after another."""

    @script
    async def main(me: kit.Scripted) -> Any:
        from aion import workflow

        await workflow.wait_condition(lambda: "end" in me.notes)
        return me.notes

    handles = []
    for number in range(10):
        handles.append(engine.start("main", id=f"run-{number}", search_attributes={"n": number}))
        clock.at += SECOND
    engine.turns()
    return handles


def statuses() -> dict[str, str]:
    return dict(Run.objects.order_by("started_at").values_list("workflow_id", "status"))


def summary(result: client.BulkResult) -> tuple[int, int, int, int]:
    return result.matched, result.done, result.skipped, result.failed


def test_the_runs_that_a_query_means_are_cancelled_and_no_others(
    engine: Engine, waiting: list[client.WorkflowHandle]
) -> None:
    result = client.cancel_workflows("n >= 6", reason="recalled")
    engine.turns()

    assert summary(result) == (4, 4, 0, 0)
    assert (result.verb, result.cursor, result.errors, result.examples) == ("cancel", None, {}, [])
    assert [name for name, status in statuses().items() if status == "cancelled"] == [
        "run-6",
        "run-7",
        "run-8",
        "run-9",
    ]
    assert waiting[6].fetch_history()[-2].attributes["reason"] == "recalled"


def test_every_verb_does_what_it_does_to_one(
    engine: Engine, waiting: list[client.WorkflowHandle]
) -> None:
    two = "n < 2"
    client.pause_workflows(two, reason="wait")
    assert {statuses()[f"run-{n}"] for n in (0, 1)} == {"paused"}
    client.resume_workflows(two)
    assert set(statuses().values()) == {"running"}
    client.terminate_workflows(two, reason="enough")
    assert {statuses()[f"run-{n}"] for n in (0, 1)} == {"terminated"}
    reopened = client.reopen_workflows(two, reason="not enough")
    assert summary(reopened) == (2, 2, 0, 0)
    assert set(statuses().values()) == {"running"}
    client.signal_workflows(two, kit.Scripted.note, "end")
    engine.turns()
    assert {statuses()[f"run-{n}"] for n in (0, 1)} == {"completed"}
    assert summary(client.reopen_workflows(two)) == (0, 0, 0, 0)


def test_held_runs_are_released_and_no_others(
    engine: Engine, waiting: list[client.WorkflowHandle], script: Any
) -> None:
    async def misfit(me: kit.Scripted) -> None:  # a deploy that does not fit
        await workflow.sleep(5)

    async def mended(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: "x" in me.notes)
        return me.notes

    client.signal_workflows("n < 3", "note", "y")
    engine.turns()
    kit.SCRIPTS["main"] = misfit
    engine.loop.turns.cache.clear()
    client.signal_workflows("n < 3", "note", "x")
    engine.turns()
    assert Run.objects.filter(held_until__isnull=False).count() == 3
    kit.SCRIPTS["main"] = mended

    assert summary(client.release_workflows("n < 9", dry_run=True)) == (3, 0, 0, 0)
    assert summary(client.release_workflows("n < 9")) == (3, 3, 0, 0)
    engine.turns()
    assert list(statuses().values()).count("completed") == 3
    assert summary(client.release_workflows("n < 9")) == (0, 0, 0, 0)


@pytest.mark.parametrize("to", ["start", "last"])
def test_open_and_closed_runs_are_reset_once(
    engine: Engine, waiting: list[client.WorkflowHandle], to: str
) -> None:
    client.signal_workflows("n < 2", "note", "first")
    engine.turns()
    client.terminate_workflows("n < 1")

    result = client.reset_workflows("n < 2", to=to, reason="again", reapply_signals=False)
    engine.turns()

    assert summary(result) == (2, 2, 0, 0)
    new = [client.get_workflow_handle(f"run-{number}") for number in range(2)]
    assert [each.describe().status for each in new] == ["running", "running"]
    assert [each.query("read") for each in new] == [[] if to == "start" else ["first"]] * 2
    assert [each.describe().status for each in waiting[:2]] == ["terminated", "terminated"]
    repeated = client.reset_workflows("n < 2", to=to, cursor="", request_id=result.request_id)
    assert (repeated.matched, repeated.done) == (4, 2)  # those that were followed are left alone
    with pytest.raises(InvalidArgument, match="to must be one of start, last"):
        client.reset_workflows("n < 2", to="middle")


@pytest.mark.parametrize("again", ["request id", "cursor"])
def test_a_repeat_does_nothing_twice(
    engine: Engine, waiting: list[client.WorkflowHandle], again: str
) -> None:
    first = client.signal_workflows("n < 4", "note", 1, limit=2, request_id="r", batch_size=2)
    if again == "cursor":
        client.signal_workflows("n < 4", "note", 1, cursor=first.cursor)
        client.signal_workflows("n < 4", "note", 1, cursor=first.cursor)
    else:
        client.signal_workflows("n < 4", "note", 1, request_id="r")
    engine.turns()

    for number, handle in enumerate(waiting):
        signals = kinds_of(handle.run_id).count("SignalReceived")
        assert signals == (1 if number < 4 else 0)


def test_a_dry_run_only_counts(waiting: list[client.WorkflowHandle]) -> None:
    before = list(Run.objects.order_by("id").values())

    result = client.terminate_workflows("n >= 5", dry_run=True)

    assert summary(result) == (5, 0, 0, 0)
    assert result.dry_run
    assert list(Run.objects.order_by("id").values()) == before
    assert not Message.objects.exists()


def test_a_limit_stops_and_the_cursor_goes_on(waiting: list[client.WorkflowHandle]) -> None:
    first = client.terminate_workflows("n >= 0", limit=4, batch_size=3)
    left = [name for name, status in statuses().items() if status == "running"]
    second = client.terminate_workflows("n >= 0", cursor=first.cursor, batch_size=3)

    assert summary(first) == (4, 4, 0, 0)
    assert left == [f"run-{number}" for number in range(4, 10)]
    assert (summary(second), second.cursor) == ((6, 6, 0, 0), None)
    assert (second.as_of, second.request_id) == (first.as_of, first.request_id)


def test_progress_is_told_and_may_stop(waiting: list[client.WorkflowHandle]) -> None:
    told: list[client.BulkResult] = []

    def enough(result: client.BulkResult) -> bool:
        told.append(dataclasses.replace(result))
        return len(told) < 2

    result = client.cancel_workflows("n >= 0", batch_size=3, progress=enough)

    assert [each.done for each in told] == [3, 6]
    assert result.done == 6
    assert result.cursor is not None


def test_runs_that_start_meanwhile_are_left_alone(
    engine: Engine, waiting: list[client.WorkflowHandle], clock: StandingClock
) -> None:
    clock.at += SECOND

    def start_another(result: client.BulkResult) -> None:
        clock.at += SECOND
        engine.start("main", id=f"late-{result.done}", search_attributes={"n": 1})

    first = client.terminate_workflows("n >= 0", batch_size=4, limit=8, progress=start_another)
    second = client.terminate_workflows("n >= 0", cursor=first.cursor)

    assert first.done + second.done == 10
    assert {status for name, status in statuses().items() if name.startswith("late")} == {"running"}


def test_runs_that_close_or_change_meanwhile_are_skipped(
    engine: Engine, waiting: list[client.WorkflowHandle]
) -> None:
    def meddle(result: client.BulkResult) -> None:
        if waiting[5].describe().status == "running":
            waiting[5].terminate()

    original = bulk.listing.page

    def page(*args: Any, **options: Any) -> Any:
        found = original(*args, **options)
        if waiting[2].describe().status == "running":  # between the look and the lock
            waiting[2].terminate()
            waiting[3].pause()
        return found

    bulk.listing.page = page  # type: ignore[assignment]
    try:
        result = client.pause_workflows("n >= 0", batch_size=5, progress=meddle)
    finally:
        bulk.listing.page = original  # type: ignore[assignment]

    assert summary(result) == (9, 7, 2, 0)
    assert [name for name, status in statuses().items() if status == "terminated"] == [
        "run-2",
        "run-5",
    ]


def test_an_error_of_one_stops_no_other(
    waiting: list[client.WorkflowHandle], monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = bulk.pause
    bad = {waiting[1].run_id: DatabaseError("lost"), waiting[4].run_id: InvalidArgument("no")}

    def failing(workflow_id: Any, run_id: Any, **options: Any) -> None:
        pause(workflow_id, run_id, **options)
        if run_id in bad:
            raise bad[run_id]

    monkeypatch.setattr(bulk, "pause", failing)

    result = client.pause_workflows("n >= 0")

    assert summary(result) == (10, 8, 0, 2)
    assert result.errors == {"unexpected": 1, "invalid_argument": 1}
    assert [(one.workflow_id, one.code) for one in result.examples] == [
        ("run-1", "unexpected"),
        ("run-4", "invalid_argument"),
    ]
    assert "DatabaseError: lost" in result.examples[0].message


def test_a_reopening_that_another_open_run_prevents_is_a_failure(
    engine: Engine, waiting: list[client.WorkflowHandle]
) -> None:
    waiting[0].terminate()
    waiting[1].terminate()
    engine.start("main", id="run-1")

    result = client.reopen_workflows(status="terminated")

    assert summary(result) == (2, 1, 0, 1)
    assert result.errors == {"wrong_state": 1}
    assert result.examples[0].run_id == waiting[1].run_id


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "query"),
        ({"query": " "}, "query"),
        ({"query": "n >= 0 ORDER BY StartTime"}, "query"),
        ({"query": "n >= 0", "order_by": "StartTime"}, "query"),
        ({"query": "n >="}, "query"),
        ({"query": "n >= 0", "limit": -1}, "limit"),
        ({"query": "n >= 0", "batch_size": 0}, "batch_size"),
        ({"query": "n >= 0", "batch_size": 1001}, "batch_size"),
        ({"query": "n >= 0", "cursor": "x"}, "cursor"),
        ({"query": "n >= 0", "cursor": "WzFd"}, "cursor"),
        ({"query": "n >= 0", "request_id": "x" * 256}, "request_id"),
        ({"query": "n >= 0", "reason": 7}, "reason"),
    ],
)
def test_what_cannot_be_used_is_refused_and_does_nothing(
    waiting: list[client.WorkflowHandle], options: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        client.terminate_workflows(**options)

    assert caught.value.context["field"] == field
    assert set(statuses().values()) == {"running"}


def test_more_bad_input(waiting: list[client.WorkflowHandle]) -> None:
    cursor = client.cancel_workflows("n >= 0", limit=1, dry_run=True).cursor
    with pytest.raises(InvalidArgument, match="does cancel, not pause"):
        client.pause_workflows("n >= 0", cursor=cursor)
    with pytest.raises(InvalidListQuery):
        client.cancel_workflows("nonsense = 1")
    with pytest.raises(TypeError):
        client.cancel_workflows("n >= 0", unknown=1)
    with pytest.raises(PayloadUnserializable):
        client.signal_workflows("n >= 0", "note", object())
    assert not Message.objects.exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_runs(clock: StandingClock) -> None:
    news = [
        NewRun(
            uuid7(), WorkflowStarted(workflow_id=f"many-{n}", workflow_type="kit.greet"), clock.at
        )
        for n in range(1_000)
    ]
    with connection().cursor() as cursor:
        new_runs.insert_many(news, cursor=cursor)
    clock.at += SECOND

    result = client.terminate_workflows(workflow_id_prefix="many-", batch_size=150)

    assert summary(result) == (1_000, 1_000, 0, 0)
    assert client.count_workflows(group_by="status").groups == {
        "terminated": client.WorkflowCount(1_000, is_capped=False)
    }


@pytest.mark.django_db(transaction=True)
def test_the_twins_do_the_same(waiting: list[client.WorkflowHandle]) -> None:
    async def all_of_them() -> list[int]:
        done = [
            await client.apause_workflows("n < 2"),
            await client.aresume_workflows("n < 2"),
            await client.asignal_workflows("n < 2", "note", 1),
            await client.acancel_workflows("n < 2"),
            await client.aterminate_workflows("n < 2"),
            await client.areopen_workflows("n < 2"),
        ]
        return [each.done for each in done]

    assert async_to_sync(all_of_them)() == [2] * 6

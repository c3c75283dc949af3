"""How long a history may become: suggestions that settings make, a warning, and hard limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings

from aion import ApplicationError, RetryPolicy, client, workflow
from aion.core import events
from aion.core.errors import RunClosed, WorkflowFailureError
from aion.models import ActivityTask, Event, Timer
from tests.language.worlds import chain, check_everything, failure_of, found, kinds, rest, status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _scripts(script: Any) -> None:
    @script
    async def collect(me: Scripted) -> list[Any]:
        await workflow.wait_condition(lambda: "stop" in me.notes)
        return [len(me.notes)]

    @script
    async def lengths(me: Scripted, seen: list[Any]) -> list[Any]:
        while not workflow.continue_as_new_suggested():
            await workflow.wait_condition(lambda: me.notes)
            me.notes.clear()
        about = workflow.info()
        seen = [*seen, [about.history_length, about.history_bytes]]
        if len(seen) < 3:
            workflow.continue_as_new("lengths", seen)
        return seen


@pytest.fixture
def aion() -> Callable[..., Any]:
    def changed(**values: Any) -> Any:
        from django.conf import settings as django_settings

        return override_settings(AION={**django_settings.AION, **values})

    return changed


# --- suggestions ----------------------------------------------------------------------------------


def test_each_run_of_a_chain_counts_its_own_events_and_the_mark_stays_when_settings_change(
    engine: Engine, aion: Callable[..., Any]
) -> None:
    with aion(HISTORY_SUGGEST_EVENTS=4):
        handle = engine.start("lengths", [], id="c")
        engine.turns()
    first = found(handle, events.WorkflowStarted)[0]
    assert (first.history_suggest_events, first.history_suggest_bytes) == (4, 0)
    with aion(HISTORY_SUGGEST_EVENTS=3):
        for number in range(3 + 2 + 2):
            client.get_workflow_handle("c").signal("note", number)
            engine.turns()

    assert [length for length, _ in handle.result(0)] == [4, 3, 3]
    assert [run.describe().history_length for run in chain("c")] == [5, 4, 4]
    check_everything()


def test_bytes_suggest_it_too(engine: Engine, aion: Callable[..., Any]) -> None:
    with aion(HISTORY_SUGGEST_BYTES=2_000):
        handle = engine.start("lengths", [], id="c")
        engine.turns()
        while status("c") == "running":
            client.get_workflow_handle("c").signal("note", "ü" * 300)
            engine.turns()

    seen = handle.result(0)
    assert all(2_000 <= size < 3_000 for _, size in seen)
    for run, (length, size) in zip(chain("c"), seen, strict=True):
        rows = [len(event.attributes.encode()) for event in stored(run.run_id)]
        assert sum(rows[:length]) == size
    check_everything()


def stored(run_id: Any) -> Any:
    return Event.objects.filter(run_id=run_id).order_by("seq")


def test_the_defaults_are_not_recorded(engine: Engine) -> None:
    handle = engine.start("collect")

    assert '"history_suggest' not in stored(handle.run_id).get().attributes


def test_what_live_code_saw_is_what_it_sees_after_a_restart(
    engine: Engine, clock: StandingClock, script: Any, acting: Any
) -> None:
    seen: list[tuple[bool, int, int]] = []

    @acting
    def echo(text: str) -> str:
        return text

    @script
    async def main(me: Scripted) -> None:
        for number in range(3):
            about = workflow.info()
            seen.append((workflow.is_replaying(), about.history_length, about.history_bytes))
            await kit.act.execute("echo", "ä" * 50 * number)
            await asyncio.sleep(1)

    handle = engine.start("main")
    engine.turns()
    handle.pause()
    handle.resume()
    rest(engine, clock)
    live = [each[1:] for each in seen if not each[0]]
    seen.clear()
    handle.query("length")

    assert [each[1:] for each in seen] == live
    assert len(live) == 3


# --- limits ---------------------------------------------------------------------------------------


def test_a_run_beyond_the_limit_of_events_is_failed_and_says_why(
    engine: Engine, clock: StandingClock, aion: Callable[..., Any], script: Any
) -> None:
    @script
    async def parent(me: Scripted) -> None:
        await workflow.start_child_workflow(Scripted, "collect", id="ended")
        await workflow.start_child_workflow(
            Scripted, "collect", id="kept", parent_close_policy="abandon"
        )
        kit.act.start("never")
        asyncio.ensure_future(asyncio.sleep(1000))
        await workflow.wait_condition(lambda: "stop" in me.notes)

    with aion(HISTORY_SUGGEST_EVENTS=2, HISTORY_MAX_EVENTS=6):
        neighbour = engine.start("collect", id="neighbour")
        handle = engine.start("parent", id="long", retry=RetryPolicy())
        engine.turns()
        handle.signal("note", 1)
        handle.signal("note", 2)
        engine.turns()
        assert status("long") == "running"  # it is beyond, and the next turn finds it
        update = handle.start_update("nothing", wait_for="")
        handle.signal("note", 3)
        neighbour.signal("note", "stop")
        engine.turns()

    error = failure_of(handle)
    assert isinstance(error, ApplicationError)
    assert error.type == "HistoryLimitExceeded"
    assert error.non_retryable
    assert "7 events" in str(error)
    assert "AION['HISTORY_MAX_EVENTS'] allows 6" in str(error)
    assert "Continue as new" in str(error)
    assert error.details == ({"limit": "HISTORY_MAX_EVENTS", "allowed": 6, "found": 7},)
    assert len(chain("long")) == 1
    assert neighbour.result(0) == [1]
    assert (status("ended"), status("kept")) == ("terminated", "running")
    assert (ActivityTask.objects.count(), Timer.objects.count()) == (0, 0)
    with pytest.raises(RunClosed):
        handle.signal("note", 4)
    with pytest.raises(Exception, match="ended"):
        update.result(0)
    assert kinds(handle)[-1] == "WorkflowFailed"
    assert handle.query("read") == [1, 2]  # its history replays
    check_everything()


def test_a_run_beyond_the_limit_of_bytes_is_failed(
    engine: Engine, aion: Callable[..., Any]
) -> None:
    with aion(HISTORY_SUGGEST_BYTES=1_000, HISTORY_MAX_BYTES=3_000):
        handle = engine.start("collect")
        for _ in range(3):
            handle.signal("note", "x" * 1_900)
            engine.turns()

    error = failure_of(handle)
    size = error.details[0]["found"]  # type: ignore[attr-defined]
    assert f"{size:,} bytes, and AION['HISTORY_MAX_BYTES'] allows 3,000" in str(error)
    assert 3_000 < size < handle.describe().history_bytes
    check_everything()


def test_a_run_that_ends_in_time_is_none_of_it(engine: Engine, aion: Callable[..., Any]) -> None:
    with aion(HISTORY_SUGGEST_EVENTS=2, HISTORY_MAX_EVENTS=3):
        handle = engine.start("collect")
        for note in (1, 2, "stop"):
            handle.signal("note", note)
        engine.turns()

    assert handle.result(0) == [3]


def test_the_limit_ends_a_run_of_a_cron_chain_and_not_the_chain(
    engine: Engine, clock: StandingClock, aion: Callable[..., Any], script: Any
) -> None:
    @script
    async def main(me: Scripted) -> list[Any]:
        if workflow.get_last_failure() is not None:
            return [str(workflow.get_last_failure())[:11], await workflow.receive("mail")]
        await workflow.wait_condition(lambda: "stop" in me.notes)
        return []

    with aion(HISTORY_SUGGEST_EVENTS=2, HISTORY_MAX_EVENTS=3):
        handle = engine.start("main", id="c", cron="@daily")
        rest(engine, clock, days=0.9)
        handle.signal("mail", "unread")
        handle.signal("note", 1)
        handle.signal("note", 1)
        engine.turns()
        handle.signal("note", 1)
        rest(engine, clock, days=1)

    assert failure_of(handle).type == "HistoryLimitExceeded"  # type: ignore[attr-defined]
    assert chain("c")[1].result(0) == ["The history", "unread"]
    check_everything()


def test_a_run_that_was_failed_goes_on_where_it_is_reopened_under_a_higher_limit(
    engine: Engine, aion: Callable[..., Any]
) -> None:
    with aion(HISTORY_SUGGEST_EVENTS=2, HISTORY_MAX_EVENTS=3):
        handle = engine.start("collect")
        for note in range(3):
            handle.signal("note", note)
        engine.turns()
        handle.signal("note", 3)
        engine.turns()
    with pytest.raises(WorkflowFailureError):
        handle.result(0)

    handle.reopen()
    handle.signal("note", "stop")
    engine.turns()

    assert handle.result(0) == [4]  # what came with the end was not taken


# --- the warning ----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["EVENTS", "BYTES"])
def test_a_warning_is_logged_once_when_the_suggestion_is_passed_by_far(
    engine: Engine, aion: Callable[..., Any], caplog: pytest.LogCaptureFixture, limit: str
) -> None:
    suggested = {"EVENTS": 2, "BYTES": 300}[limit]
    with (
        aion(**{f"HISTORY_SUGGEST_{limit}": suggested}),
        caplog.at_level(logging.WARNING, "aion.turns"),
    ):
        handle = engine.start("collect")
        warned = []
        for number in range(30):
            handle.signal("note", "x" * 30)
            engine.turns()
            warned.append(len(caplog.records))
            if number % 3:
                engine.loop.turns.cache.clear()

    assert warned[0] == 0
    assert warned[-1] == 1
    assert str(handle.run_id) in caplog.text


# --- pending activities ---------------------------------------------------------------------------


def test_a_run_that_asks_for_too_many_activities_is_held_until_some_have_ended(
    engine: Engine, script: Any, acting: Any, clock: StandingClock, aion: Callable[..., Any]
) -> None:
    @acting
    def nothing() -> None:
        return None

    @script
    async def greedy(me: Scripted) -> int:
        first = [kit.act.start("nothing") for _ in range(3)]
        await workflow.wait_condition(lambda: "more" in me.notes)
        await asyncio.gather(*first, *(kit.act.start("nothing") for _ in range(2)))
        return 5

    with aion(PENDING_ACTIVITY_LIMIT=3):
        handle = engine.start("greedy")
        engine.turns()
        handle.signal("note", "more")
        engine.turns()

        shown = handle.describe()
        assert shown.problem is not None
        assert shown.problem["code"] == "pending_activity_limit"
        assert "would have 5 activities" in shown.problem["message"]
        assert ActivityTask.objects.count() == 3, "nothing of the turn was written"

        assert engine.act()
        assert engine.act()
        engine.turns()
        assert ActivityTask.objects.count() == 1, "it is tried again in its time"
        clock.move(11)
        engine.tick()
        engine.go()
        assert handle.result(0) == 5
        assert handle.describe().problem_count == 0


def test_activities_that_are_given_up_make_room(
    engine: Engine, script: Any, aion: Callable[..., Any]
) -> None:
    @script
    async def choosy(me: Scripted) -> None:
        for _ in range(5):
            tried = kit.act.start("never")
            await workflow.wait_condition(lambda: me.notes)
            me.notes.clear()
            tried.cancel()

    with aion(PENDING_ACTIVITY_LIMIT=1):
        handle = engine.start("choosy")
        for _ in range(4):
            engine.turns()
            handle.signal("note", "next")
        engine.turns()

    assert handle.describe().problem is None
    assert ActivityTask.objects.count() == 1


def test_a_limit_of_pending_activities_costs_one_statement_a_batch(
    engine: Engine, script: Any, aion: Callable[..., Any], django_assert_max_num_queries: Any
) -> None:
    @script
    async def asking(me: Scripted) -> None:
        await kit.act.execute("nothing")

    costs = []
    for limit in (0, 9):
        with aion(PENDING_ACTIVITY_LIMIT=limit):
            for _ in range(3):
                engine.start("asking")
            with django_assert_max_num_queries(100) as seen:
                engine.turn()
            costs.append(len([q for q in seen.captured_queries if "pending" not in q["sql"]]))
    assert costs[1] == costs[0] + 1

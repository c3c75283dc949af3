"""The environment: production's turns and activities, in the test's thread and transaction; time skips."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection

from aion import ApplicationError, client
from aion.conf import settings
from aion.core.errors import (
    InvalidArgument,
    ResultTimeout,
    UpdateRefused,
    WorkflowFailureError,
)
from aion.models import Run, Worker
from aion.operations.clock import clock
from aion_engine.testing import NothingMoves, WorkflowEnvironment
from tests.sample.models import Effect
from tests.testing import stories
from tests.testing.stories import Subscription

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def nothing_was_sent() -> None:
    stories.sent.clear()


@pytest.fixture
def env(aion_env: WorkflowEnvironment) -> WorkflowEnvironment:
    return aion_env


def test_a_month_passes_while_a_result_is_waited_for(env: WorkflowEnvironment) -> None:
    begin = env.now

    assert env.execute_workflow(Subscription, "ada") == 30
    assert env.now == begin + 30 * DAY
    assert stories.sent == ["ada 5"] * 30


def test_an_ordinary_handle_drives_the_run(env: WorkflowEnvironment) -> None:
    handle = client.start_workflow(Subscription, "ada", 3)

    assert handle.result() == 3


def test_time_passes_as_far_as_it_is_told(env: WorkflowEnvironment) -> None:
    handle = env.start_workflow(Subscription, "ada")
    env.skip(9 * DAY + dt.timedelta(hours=12))
    assert handle.query(Subscription.so_far) == 10

    env.advance_to(env.now + DAY)
    assert handle.query(Subscription.so_far) == 11
    handle.signal(Subscription.stop, "too dear")

    assert handle.result() == 11
    assert len(stories.sent) == 11


def test_nothing_runs_before_it_is_asked_for(env: WorkflowEnvironment) -> None:
    handle = env.start_workflow(Subscription, "ada")
    assert stories.sent == []

    env.run_until_idle()
    assert stories.sent == ["ada 5"]
    assert env.skip_to_next()
    assert len(stories.sent) == 2
    assert handle.describe().status == "running"


@pytest.mark.django_db
def test_its_time_begins_where_it_is_told() -> None:
    with WorkflowEnvironment(start=START) as env:
        handle = env.start_workflow(Subscription, "ada", 2)
        handle.result()

        history = handle.fetch_history()
        assert history[0].recorded_at == START
        assert history[-1].recorded_at == env.now == START + 2 * DAY


def test_an_update_is_waited_for_in_its_time(env: WorkflowEnvironment) -> None:
    handle = env.start_workflow(Subscription, "ada")
    begin = env.now

    assert handle.execute_update(Subscription.change, 7) == 5
    assert env.now == begin + dt.timedelta(seconds=60)
    env.skip(DAY)
    assert stories.sent == ["ada 5", "ada 7"]
    with pytest.raises(UpdateRefused):
        handle.execute_update("unknown")


def test_a_limit_of_a_wait_is_time_of_the_environment(env: WorkflowEnvironment) -> None:
    handle = env.start_workflow(Subscription, "ada")
    begin = env.now

    with pytest.raises(ResultTimeout):
        handle.result(timeout=3600 * 36)

    assert env.now == begin + dt.timedelta(hours=36)
    assert handle.query("so_far") == 2


def test_each_kind_of_activity_runs(env: WorkflowEnvironment) -> None:
    assert env.execute_workflow(stories.each_kind, "ada") == [
        "receipt of ada",
        "local ada",
        "async ada",
    ]


# --- mocks ----------------------------------------------------------------------------------------


def test_a_mock_counts_its_calls(env: WorkflowEnvironment) -> None:
    mock = env.mock_activity(stories.charge, returns="a mocked receipt")

    assert env.execute_workflow(stories.each_kind, "ada")[0] == "a mocked receipt"
    mock.assert_called_once_with("ada", 1)
    assert stories.sent == ["ada"]


def test_local_and_async_activities_are_mocked_alike(env: WorkflowEnvironment) -> None:
    async def answer(customer: str) -> str:
        return f"answered {customer}"

    env.mock_activity(stories.charge, side_effect=lambda customer, amount: f"{customer}:{amount}")
    env.mock_activity("stories.charge_locally", returns="L")
    env.mock_activity(stories.acharge, side_effect=answer)

    assert env.execute_workflow(stories.each_kind, "ada") == ["ada:1", "L", "answered ada"]


def test_an_activity_that_is_not_here_is_mocked_by_name(env: WorkflowEnvironment) -> None:
    mock = env.mock_activity("stories.elsewhere", returns="done")

    assert env.execute_workflow(stories.by_name, "ada") == "done"
    mock.assert_called_once_with("ada")


@pytest.mark.django_db
def test_mocks_end_with_their_environment() -> None:
    with WorkflowEnvironment() as env:
        env.mock_activity(stories.charge, returns="mocked")
        env.mock_activity("stories.elsewhere", returns="mocked")

    with WorkflowEnvironment() as env:
        assert env.execute_workflow(stories.each_kind, "ada")[0] == "receipt of ada"
        with pytest.raises(WorkflowFailureError):
            env.execute_workflow(stories.by_name, "ada")


@pytest.mark.parametrize("target", [3, "", len])
def test_what_is_no_activity_cannot_be_mocked(env: WorkflowEnvironment, target: Any) -> None:
    with pytest.raises(InvalidArgument):
        env.mock_activity(target)


# --- retries and timeouts -------------------------------------------------------------------------


def test_retries_pass_in_virtual_time(env: WorkflowEnvironment) -> None:
    begin = env.now
    mock = env.mock_activity(
        stories.charge, side_effect=[ValueError("1"), ValueError("2"), "third time"]
    )

    assert env.execute_workflow(stories.each_kind, "ada")[0] == "third time"
    assert mock.call_count == 3
    assert env.now == begin + dt.timedelta(hours=2)


def test_retries_of_local_activities_do_too(env: WorkflowEnvironment) -> None:
    begin = env.now
    env.mock_activity(stories.charge_locally, side_effect=[ValueError("1"), "second time"])

    assert env.execute_workflow(stories.slow_local, "ada") == "second time"
    assert dt.timedelta(0) <= env.now - begin - dt.timedelta(hours=1) < dt.timedelta(seconds=1)


def test_a_failure_reaches_the_workflow(env: WorkflowEnvironment) -> None:
    env.mock_activity(stories.charge, side_effect=ApplicationError("no money", non_retryable=True))

    with pytest.raises(WorkflowFailureError, match="no money"):
        env.execute_workflow(stories.each_kind, "ada")


def test_an_answer_that_never_comes_times_out(env: WorkflowEnvironment) -> None:
    begin = env.now

    with pytest.raises(WorkflowFailureError, match="start_to_close"):
        env.execute_workflow(stories.asking)

    assert len(stories.sent) == 5
    assert env.now == begin + 5 * 2 * DAY + dt.timedelta(hours=4)


def test_an_answer_from_elsewhere_is_awaited(env: WorkflowEnvironment) -> None:
    handle = env.start_workflow(stories.asking)
    env.run_until_idle()
    client.complete_activity(stories.sent[0], "yes")

    assert handle.result() == "yes"


# --- nothing moves --------------------------------------------------------------------------------


def test_waiting_for_what_will_not_come_says_what_is_missing(env: WorkflowEnvironment) -> None:
    with pytest.raises(NothingMoves, match="waits for a signal, an update"):
        env.execute_workflow(stories.waits_for_nobody)


def test_broken_code_shows_its_traceback(env: WorkflowEnvironment) -> None:
    with pytest.raises(NothingMoves, match=r"(?s)ForbiddenInWorkflow.*stories\.py"):
        env.execute_workflow(stories.broken)


def test_what_never_rests_is_found(env: WorkflowEnvironment, monkeypatch: Any) -> None:
    monkeypatch.setattr("aion_engine.testing.environment._MOST_STEPS", 50)
    env.start_workflow(stories.restless)

    with pytest.raises(NothingMoves, match="go on for ever"):
        env.run_until_idle()


def test_a_wait_beside_what_never_ends_ends(env: WorkflowEnvironment, monkeypatch: Any) -> None:
    monkeypatch.setattr("aion_engine.testing.driving_bell.MOST_WAITS", 30)
    env.start_workflow(Subscription, "ada", 1000)

    with pytest.raises(NothingMoves, match="is where it was after 30 moments"):
        env.execute_workflow(stories.waits_for_nobody)


@pytest.mark.django_db
def test_schedules_fire_in_its_time() -> None:
    with WorkflowEnvironment(start=START + DAY / 2) as env:
        client.create_schedule("daily", stories.each_kind, "ada", spec=DAY)
        env.skip(3 * DAY)

    assert stories.sent == ["ada 1", "ada"] * 3


@pytest.mark.django_db
def test_time_may_be_left_to_the_test() -> None:
    with WorkflowEnvironment(auto_skip=False) as env:
        handle = env.start_workflow(Subscription, "ada", 1)
        with pytest.raises(NothingMoves, match="auto_skip is off"):
            handle.result()
        env.skip(DAY)
        assert handle.result() == 1


@pytest.mark.parametrize("duration", [3, dt.timedelta(seconds=-1)])
def test_time_does_not_go_back(env: WorkflowEnvironment, duration: Any) -> None:
    with pytest.raises(InvalidArgument):
        env.skip(duration)
    with pytest.raises(InvalidArgument):
        env.advance_to(env.now - DAY)
    with pytest.raises(InvalidArgument):
        env.advance_to(dt.datetime(2999, 1, 1))


# --- the test's own transaction -------------------------------------------------------------------


@pytest.mark.django_db
def test_a_database_error_of_an_activity_leaves_the_test_usable() -> None:
    def collide(customer: str, amount: int) -> str:
        Effect.objects.create(key="kept")
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO aion_worker (id) VALUES (NULL)")
        return "never"

    with WorkflowEnvironment() as env:
        env.mock_activity(stories.charge, side_effect=[IntegrityError("a mocked one")] * 5)
        with pytest.raises(WorkflowFailureError):
            env.execute_workflow(stories.each_kind, "bob")
        mock = env.mock_activity(stories.charge, side_effect=collide)
        with pytest.raises(WorkflowFailureError):
            env.execute_workflow(stories.each_kind, "ada")

    assert mock.call_count == 5
    assert Run.objects.filter(status="failed").count() == 2


def test_what_an_activity_writes_is_there(env: WorkflowEnvironment) -> None:
    env.mock_activity(
        stories.charge, side_effect=lambda *_: str(Effect.objects.create(key="mine").pk)
    )
    env.execute_workflow(stories.each_kind, "ada")

    assert Effect.objects.filter(key="mine").count() == 1


def test_everything_happens_in_the_threads_that_ask(env: WorkflowEnvironment) -> None:
    seen: list[threading.Thread] = []
    env.mock_activity(
        stories.charge, side_effect=lambda *_: seen.append(threading.current_thread())
    )
    with pytest.raises(WorkflowFailureError):
        env.execute_workflow(Subscription, "ada", 1)  # None is no text

    assert set(seen) == {threading.current_thread()}


@pytest.mark.django_db
def test_closing_gives_everything_back() -> None:
    before = settings.BELL
    env = WorkflowEnvironment(start=START).open()
    assert clock.now() == START
    with pytest.raises(RuntimeError, match="Another WorkflowEnvironment is open"):
        WorkflowEnvironment().open()
    env.close()
    env.close()

    assert before == settings.BELL
    assert abs(clock.now() - dt.datetime.now(dt.UTC)) < DAY
    assert Worker.objects.count() == 0
    with pytest.raises(InvalidArgument):
        WorkflowEnvironment(start=dt.datetime(2026, 1, 1))

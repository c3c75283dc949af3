"""Existing Celery tasks as activities: the row decides, Celery sees what it always saw."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from aion import activity
from aion.core.ids import uuid7
from aion.interceptors import ActivityInterceptor, using
from aion.models import ActivityTask
from aion.store import activities as rows
from aion_engine.runtime import celery_activities, celery_tasks
from aion_engine.runtime.here import Here
from aion_engine.runtime.identity import new_worker
from config.celery import app
from tests.sample import activities as sample
from tests.sample.models import Effect
from tests.support.rows import insert_activity, mailbox_of, quiet_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    fresh = Here()
    fresh.become(new_worker("celery"))
    monkeypatch.setattr(celery_activities, "here", fresh)
    names = celery_tasks.adopt(app)
    yield fresh
    for name in names:
        task: Any = app.tasks[name]
        task.run = getattr(task, celery_tasks._MARK)
        delattr(task, celery_tasks._MARK)


def asked(definition: activity.Activity[Any, Any]) -> Any:
    """The row of an activity that was asked for."""
    task_id = insert_activity(quiet_run(), retry=definition.options.retry)
    ActivityTask.objects.filter(id=task_id).update(activity_type=definition.name)
    text = ActivityTask.objects.get(id=task_id).order.replace("kit.act", definition.name)
    ActivityTask.objects.filter(id=task_id).update(order=text)
    return ActivityTask.objects.get(id=task_id)


def deliver(definition: activity.Activity[Any, Any], row: Any, *args: Any, **options: Any) -> Any:
    """What a worker does with the task's message."""
    task: Any = app.tasks[definition.celery_task]
    headers = {celery_tasks.HEADER: [str(row.id), row.attempt]}
    return task.apply(args=args, headers=headers, **options)


def test_every_task_that_activities_refer_to_is_adopted_once() -> None:
    assert "sample.add" in celery_tasks.adopt(app)
    assert app.tasks["sample.add"].run.__wrapped__ is app.tasks["sample.add"]._aion_run


def test_a_call_of_the_project_itself_goes_straight_through() -> None:
    assert app.tasks["sample.add"](2, 3) == 5
    assert app.tasks["sample.add"].apply(args=[2, 3]).get() == 5
    assert not ActivityTask.objects.exists()


def test_the_result_is_the_activitys() -> None:
    row = asked(sample.add)

    result = deliver(sample.add, row, 2, 3)

    assert result.get() == 5
    assert mailbox_of(row.run_id) == ["ActivityStarted", "ActivityCompleted"]
    assert not ActivityTask.objects.exists()


def test_interceptors_stand_around_the_task_and_leave_nothing_behind() -> None:
    row = asked(sample.add)
    mark: ContextVar[str] = ContextVar("mark", default="none")

    class Doubling(ActivityInterceptor):
        def execute_activity(self, input: Any, next: Any) -> Any:
            mark.set(activity.info().activity_type)
            return 2 * next(dataclasses.replace(input, args=(input.args[0], 4)))

    with using(Doubling()):
        result = deliver(sample.add, row, 2, 3)
        project_itself = app.tasks["sample.add"].apply(args=[2, 3])

    assert result.get() == 12
    assert project_itself.get() == 5
    assert mark.get() == "none"


def test_a_failure_is_the_policys_to_retry_and_celerys_to_see() -> None:
    row = asked(sample.fail_task)

    result = deliver(sample.fail_task, row, "key", 1)

    assert isinstance(result.result, ValueError)
    now = ActivityTask.objects.get()
    assert (now.attempt, now.state) == (2, "scheduled")
    assert "retry 0 of key" in now.last_failure


@pytest.mark.parametrize("stale", ["done", "taken", "retried"])
def test_a_message_that_came_too_late_runs_nothing(stale: str) -> None:
    row = asked(sample.add)
    if stale == "done":
        ActivityTask.objects.all().delete()
    elif stale == "retried":
        ActivityTask.objects.update(attempt=2)
    else:
        ActivityTask.objects.update(state="running", owner_id=uuid7())

    result = deliver(sample.add, row, 2, 3)

    assert result.state == "IGNORED"
    assert not Effect.objects.exists()


def test_a_worker_that_shuts_down_begins_nothing(here: Here) -> None:
    row = asked(sample.add)
    here.announce_stop()

    assert deliver(sample.add, row, 2, 3).state == "IGNORED"

    now = ActivityTask.objects.get()
    assert (now.state, now.published_at) == ("scheduled", None)
    assert not Effect.objects.exists()


def test_the_attempt_is_known_while_the_task_runs(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = asked(sample.add)
    seen: list[Any] = []
    monkeypatch.setattr(
        Effect.objects, "create", lambda **_: seen.extend([activity.info(), *here.running()])
    )

    deliver(sample.add, row, 2, 3)

    assert seen[0].activity_type == "celery:sample.add"
    assert seen[1].attempt.id == row.id
    assert list(here.running()) == []
    assert not activity.in_activity()


def test_a_countdown_becomes_the_next_delay() -> None:
    error = celery_tasks._as_failure(
        celery_tasks.Retry("soon", exc=ConnectionError("not yet"), when=7)
    )

    assert (error.type, str(error)) == ("ConnectionError", "not yet")
    assert error.next_retry_delay is not None
    assert error.next_retry_delay.total_seconds() == 7


def test_two_messages_of_one_attempt_have_one_effect() -> None:
    row = asked(sample.add)

    states = [deliver(sample.add, row, 2, 3).state for _ in range(2)]

    assert states == ["SUCCESS", "IGNORED"]
    assert Effect.objects.count() == 1
    assert rows.find(row.id) is None

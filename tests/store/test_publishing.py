"""Unclaimed activities are handed over again: always in the end, and not for each of many sweeps."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from aion.core.ids import uuid7
from aion.models import ActivityTask
from aion.store import activities, publishing
from tests.support.clocks import START
from tests.support.rows import insert_activity, quiet_run

pytestmark = pytest.mark.django_db

STALE = dt.timedelta(seconds=5)


def after(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


def taken(at: float, limit: int = 9) -> dict[uuid.UUID, bool]:
    """Which rows are published again at a moment, and whether their message may still be there."""
    found = publishing.take_unclaimed(now=after(at), stale_after=STALE, limit=limit)
    return {each.id: each.doubtful for each in found}


def never_published(task_id: uuid.UUID) -> uuid.UUID:
    ActivityTask.objects.filter(id=task_id).update(published_at=None)
    return task_id


def test_unclaimed_attempts_are_published_again_and_marked() -> None:
    run_id = quiet_run()
    stale = insert_activity(run_id, "1", now=after(0), task_queue="fast")
    fresh = insert_activity(run_id, "2", now=after(8))
    never = never_published(insert_activity(run_id, "3", now=after(1)))
    running = insert_activity(run_id, "4")
    assert activities.claim_attempt(running, 1, owner_id=uuid7(), pid=7, now=START) is not None
    paused = insert_activity(run_id, "5")
    ActivityTask.objects.filter(id=paused).update(paused=True)
    never_published(insert_activity(run_id, "6", now=after(99)))

    found = publishing.take_unclaimed(now=after(10), stale_after=STALE, limit=9)

    assert {(each.id, each.attempt, each.task_queue, each.activity_type) for each in found} == {
        (stale, 1, "fast", "kit.act"),
        (never, 1, "default", "kit.act"),
    }
    assert taken(10) == {}
    assert ActivityTask.objects.get(id=fresh).published_at == after(8)


def test_an_attempt_is_sent_for_certain_each_time_that_its_age_has_doubled() -> None:
    waiting = insert_activity(quiet_run(), "1")
    moments = [5.1 * number for number in range(1, 40)]

    doubts = [(moment, taken(moment)[waiting]) for moment in moments]

    certain = [moment for moment, doubtful in doubts if not doubtful]
    assert certain == pytest.approx([5.1, 10.2, 20.4, 40.8, 81.6, 163.2])


def test_an_attempt_that_was_never_published_is_certain() -> None:
    waiting = never_published(insert_activity(quiet_run(), "1"))

    assert taken(100) == {waiting: False}


def test_all_are_doubted_when_messages_may_be_lost() -> None:
    old = insert_activity(quiet_run(), "1", now=after(0))
    taken(14)
    new = insert_activity(quiet_run(), "2", now=after(15))
    assert taken(16) == {}

    publishing.doubt_all(now=after(18), stale_after=STALE)

    assert taken(18) == {old: True, new: True}


def test_an_attempt_that_nobody_carries_is_published_again_at_once() -> None:
    waiting = insert_activity(quiet_run(), "1")
    publishing.unpublish(waiting, 2)
    assert taken(1) == {}

    publishing.unpublish(waiting, 1)

    assert taken(1) == {waiting: False}


def test_every_due_attempt_is_taken_once_by_a_recovery() -> None:
    fresh = insert_activity(quiet_run(), "1", now=after(0))
    insert_activity(quiet_run(), "2", now=after(9))

    def take() -> list[uuid.UUID]:
        found = publishing.take_all_due(now=after(1), stale_after=STALE, limit=9)
        assert not any(each.doubtful for each in found)
        return [each.id for each in found]

    assert take() == [fresh]
    assert take() == []


def test_published_attempts_are_counted_by_where_they_go() -> None:
    run_id = quiet_run()
    for activity_id in "123":
        insert_activity(run_id, activity_id, task_queue="fast" if activity_id == "3" else "")
    never_published(insert_activity(run_id, "4"))

    assert set(publishing.published_counts()) == {("default", "kit.act", 2), ("fast", "kit.act", 1)}

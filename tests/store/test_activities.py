"""Activity rows: every write names the attempt and its owner, or changes nothing."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from aion.core.errors import StaleAttempt
from aion.core.events import ActivityCompleted, ActivityStarted
from aion.core.failures import Failure, decode_failure
from aion.core.history import decode_event
from aion.core.ids import uuid7
from aion.models import ActivityTask, Message
from aion.store import activities, finishing, sweeping
from aion.store.attempts import UNBEGUN, Attempt, fence_of
from aion.store.dialects import atomic, connection
from tests.support.clocks import START
from tests.support.engine import in_thread
from tests.support.rows import insert_activity, mailbox_of, quiet_run

pytestmark = pytest.mark.django_db

ME = uuid7()
FAILURE = Failure(type="ValueError", message="no")


def after(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


def seconds(number: float) -> dt.timedelta:
    return dt.timedelta(seconds=number)


def claim(
    task_id: uuid.UUID, attempt: int = 1, owner: uuid.UUID = ME, at: float = 0
) -> Attempt | None:
    return activities.claim_attempt(task_id, attempt, owner_id=owner, pid=77, now=after(at))


def claimed(**order: Any) -> Attempt:
    attempt = claim(insert_activity(quiet_run(), **order))
    assert attempt is not None
    return attempt


def row(attempt: Attempt) -> ActivityTask:
    return ActivityTask.objects.get(id=attempt.id)


def finish(attempt: Attempt) -> None:
    event = ActivityCompleted(activity_id="1", attempt=attempt.attempt)
    finishing.finish(attempt, event, worker="w", now=after(5))


def test_an_unknown_activity_is_not_found() -> None:
    assert activities.find(uuid7()) is None
    assert claim(uuid7()) is None


def test_a_claim_names_owner_attempt_and_order() -> None:
    run_id = quiet_run("order-3", workflow_type="kit.greet")
    attempt = claim(insert_activity(run_id, task_queue="fast"), at=2)

    assert attempt is not None
    assert (attempt.run_id, attempt.workflow_id, attempt.workflow_type) == (
        run_id,
        "order-3",
        "kit.greet",
    )
    assert (attempt.owner_id, attempt.attempt, attempt.task_queue) == (ME, 1, "fast")
    assert (attempt.scheduled_at, attempt.started_at) == (START, after(2))
    stored = row(attempt)
    assert (stored.state, stored.owner_id, stored.pid) == ("running", ME, 77)
    assert (stored.started_at, stored.heartbeat_at) == (after(2), after(2))


def test_an_attempt_is_begun_once() -> None:
    task_id = insert_activity(quiet_run())

    assert claim(task_id) is not None
    assert claim(task_id) is None
    assert claim(task_id, owner=uuid7()) is None


@pytest.mark.parametrize("number", [0, 2])
def test_only_the_current_attempt_can_be_begun(number: int) -> None:
    assert claim(insert_activity(quiet_run()), attempt=number) is None


def test_a_paused_activity_is_not_begun() -> None:
    task_id = insert_activity(quiet_run())
    ActivityTask.objects.update(paused=True)

    assert claim(task_id) is None
    assert activities.ready(now=after(60), limit=10) == []


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_two_claimers_at_once_one_wins() -> None:
    task_id = insert_activity(quiet_run())
    threads = [in_thread(claim, task_id, 1, uuid7()) for _ in range(6)]

    won = [attempt for attempt in (thread.done() for thread in threads) if attempt is not None]

    assert len(won) == 1
    assert ActivityTask.objects.get().owner_id == won[0].owner_id


def several(count: int) -> list[Attempt]:
    ids = [insert_activity(quiet_run(), start_to_close_timeout=seconds(60)) for _ in range(count)]
    found = activities.find_all(ids)
    return [found[each] for each in ids]


def begin_all(rows: list[Attempt], owner: uuid.UUID = ME, **options: Any) -> list[uuid.UUID]:
    begun = activities.begin_all(rows, owner_id=owner, pid=77, now=after(2), **options)
    return [each.id for each in begun]


def test_several_begin_at_once_as_each_would() -> None:
    one, two = several(2)

    assert begin_all([one, two]) == [one.id, two.id]

    assert (one.owner_id, one.started_at) == (ME, after(2))
    stored = row(two)
    assert (stored.state, stored.owner_id, stored.pid) == ("running", ME, 77)
    assert (stored.started_at, stored.heartbeat_at) == (after(2), after(2))
    assert (stored.timeout_at, stored.timeout_kind) == (after(62), "start_to_close")
    finish(one)


@pytest.mark.parametrize(
    "change",
    [{"state": "running", "owner_id": uuid7()}, {"attempt": 2}, {"paused": True}],
    ids=["taken", "retried", "paused"],
)
def test_of_several_those_that_are_not_there_to_be_begun_are_left_out(
    change: dict[str, Any],
) -> None:
    one, two = several(2)
    ActivityTask.objects.filter(id=one.id).update(**change)

    assert begin_all([one, two]) == [two.id]


def test_a_claim_of_several_whose_answer_was_lost_is_made_again() -> None:
    one, two, three = several(3)
    assert begin_all([one]) == [one.id]
    assert begin_all([three], owner=uuid7()) == [three.id]

    assert begin_all([one, two, three], again=True) == [one.id, two.id]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_several_those_that_somebody_holds_are_left_out() -> None:
    one, two = several(2)
    with atomic():
        ActivityTask.objects.select_for_update().get(id=one.id)
        assert in_thread(begin_all, [one, two]).done() == [two.id]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_several_claimers_share_what_waits() -> None:
    rows = several(40)
    orders = [rows, rows[::-1], rows[20:] + rows[:20], rows]

    threads = [in_thread(begin_all, each, uuid7()) for each in orders]
    begun = [task_id for thread in threads for task_id in thread.done()]

    assert len(begun) == len(set(begun)), "none was begun twice"
    assert sorted(begin_all(rows) + begun) == sorted(each.id for each in rows), "none is lost"


def test_what_is_ready_comes_oldest_first_and_by_queue() -> None:
    run_id = quiet_run()
    late = insert_activity(run_id, "1", now=after(2))
    early = insert_activity(run_id, "2", now=after(1), task_queue="fast")
    insert_activity(run_id, "3", now=after(9))

    assert activities.ready(now=after(2), limit=9) == [(early, 1), (late, 1)]
    assert activities.ready(now=after(2), limit=1) == [(early, 1)]
    assert activities.ready(now=after(2), limit=9, queues=["fast"]) == [(early, 1)]
    assert activities.ready(now=after(2), limit=9, queues=["none"]) == []


# --- outcomes -------------------------------------------------------------------------------------


def test_an_outcome_replaces_the_row_by_two_messages() -> None:
    attempt = claimed()

    finish(attempt)

    assert ActivityTask.objects.count() == 0
    messages = Message.objects.filter(run_id=attempt.run_id).order_by("id")
    assert [decode_event(m.kind, m.body) for m in messages] == [
        ActivityStarted(activity_id="1", attempt=1, worker="w", started_at=START),
        ActivityCompleted(activity_id="1", attempt=1),
    ]


def stale_by_outcome(attempt: Attempt) -> None:
    finish(attempt)
    Message.objects.all().delete()


def stale_by_retry(attempt: Attempt) -> None:
    activities.reschedule(attempt, FAILURE, next_attempt_at=START, now=START)


def stale_by_another_owner(attempt: Attempt) -> None:
    stale_by_retry(attempt)
    assert claim(attempt.id, attempt=2, owner=uuid7()) is not None


def stale_by_completion_from_elsewhere(attempt: Attempt) -> None:
    assert activities.open_for_completion(attempt)


def stale_by_the_end_of_the_run(attempt: Attempt) -> None:
    ActivityTask.objects.filter(run_id=attempt.run_id).delete()


STALE = [
    stale_by_outcome,
    stale_by_retry,
    stale_by_another_owner,
    stale_by_completion_from_elsewhere,
    stale_by_the_end_of_the_run,
]


@pytest.mark.parametrize("become_stale", STALE)
def test_a_stale_attempt_changes_nothing(become_stale: Any) -> None:
    attempt = claimed()
    become_stale(attempt)
    before = list(ActivityTask.objects.values())

    with pytest.raises(StaleAttempt) as caught:
        finish(attempt)
    assert activities.open_for_completion(attempt) is False
    assert activities.heartbeat(attempt, "[1]", now=after(1)) == "lost"
    with pytest.raises(StaleAttempt):
        activities.reschedule(attempt, FAILURE, next_attempt_at=after(1), now=START)

    assert caught.value.context["activity_id"] == "1"
    assert list(ActivityTask.objects.values()) == before
    assert mailbox_of(attempt.run_id) == []


def test_a_stale_outcome_rolls_back_what_the_caller_wrote_with_it() -> None:
    attempt = claimed()
    stale_by_the_end_of_the_run(attempt)
    other = quiet_run()

    with pytest.raises(StaleAttempt):
        with atomic():
            insert_activity(other)
            finish(attempt)

    assert ActivityTask.objects.count() == 0


def test_a_retry_is_the_same_row_again() -> None:
    attempt = claimed(schedule_to_start_timeout=seconds(30))
    activities.heartbeat(attempt, '["half"]', now=after(1))

    activities.reschedule(attempt, FAILURE, next_attempt_at=after(10), now=after(2))

    stored = row(attempt)
    assert (stored.state, stored.attempt, stored.owner_id, stored.pid) == (
        "scheduled",
        2,
        None,
        None,
    )
    assert (stored.started_at, stored.published_at, stored.next_attempt_at) == (
        None,
        None,
        after(10),
    )
    assert (stored.timeout_at, stored.timeout_kind) == (after(40), "schedule_to_start")
    assert decode_failure(stored.last_failure.encode()) == FAILURE
    assert activities.ready(now=after(9), limit=9) == []
    again = claim(attempt.id, attempt=2, at=10)
    assert again is not None
    assert (again.heartbeat_details, again.started_at) == ('["half"]', after(10))


def test_an_attempt_left_open_for_its_token_has_no_owner_but_its_deadline() -> None:
    attempt = claimed(start_to_close_timeout=seconds(60))

    assert activities.open_for_completion(attempt) is True

    stored = row(attempt)
    assert (stored.state, stored.owner_id, stored.pid) == ("external", None, None)
    assert stored.timeout_at == after(60)
    assert sweeping.owned_by([ME], limit=9) == []
    found = activities.find(attempt.id)
    assert found is not None
    finish(found)
    assert mailbox_of(attempt.run_id) == ["ActivityStarted", "ActivityCompleted"]


# --- heartbeats and reasons to stop ---------------------------------------------------------------


def test_a_heartbeat_moves_the_deadline_and_keeps_the_details() -> None:
    attempt = claimed(heartbeat_timeout=seconds(5), start_to_close_timeout=seconds(60))
    first = row(attempt)

    assert activities.heartbeat(attempt, '[{"at":7}]', now=after(4)) is None

    stored = row(attempt)
    assert (first.timeout_at, first.timeout_kind) == (after(5), "heartbeat")
    assert (stored.timeout_at, stored.timeout_kind) == (after(9), "heartbeat")
    assert (stored.heartbeat_at, stored.heartbeat_details) == (after(4), '[{"at":7}]')


def test_a_heartbeat_never_moves_the_deadline_past_the_close_timeout() -> None:
    attempt = claimed(heartbeat_timeout=seconds(30), start_to_close_timeout=seconds(60))

    activities.heartbeat(attempt, "[]", now=after(50))

    assert (row(attempt).timeout_at, row(attempt).timeout_kind) == (after(60), "start_to_close")


@pytest.mark.parametrize(
    ("change", "reason"), [({"cancel_requested": True}, "cancelled"), ({"paused": True}, "paused")]
)
def test_heartbeats_and_looks_tell_an_attempt_to_stop(change: dict[str, bool], reason: str) -> None:
    attempt = claimed()
    assert activities.heartbeat(attempt, "[]", now=START) is None
    ActivityTask.objects.update(**change)

    assert activities.heartbeat(attempt, "[]", now=START) == reason
    assert activities.held_by(ME) == [activities.Held(attempt.id, 1, 77, reason)]


def test_what_a_worker_holds_is_one_question(django_assert_num_queries: object) -> None:
    fine, cancelled, gone, retried, taken = (claimed() for _ in range(5))
    ActivityTask.objects.filter(id=cancelled.id).update(cancel_requested=True)
    ActivityTask.objects.filter(id=gone.id).delete()
    activities.reschedule(retried, FAILURE, next_attempt_at=START, now=START)
    ActivityTask.objects.filter(id=taken.id).update(owner_id=uuid7())

    with django_assert_num_queries(1):  # type: ignore[operator]
        held = activities.held_by(ME)

    assert {one.id: one.reason for one in held} == {fine.id: "", cancelled.id: "cancelled"}


# --- deadlines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "begun", "at", "kind"),
    [
        ({"schedule_to_start_timeout": seconds(10)}, False, 10, "schedule_to_start"),
        ({"schedule_to_close_timeout": seconds(20)}, False, 20, "schedule_to_close"),
        (
            {"schedule_to_start_timeout": seconds(30), "schedule_to_close_timeout": seconds(20)},
            False,
            20,
            "schedule_to_close",
        ),
        (
            {"schedule_to_start_timeout": seconds(10), "start_to_close_timeout": seconds(40)},
            True,
            40,
            "start_to_close",
        ),
        ({"schedule_to_close_timeout": seconds(20)}, True, 20, "schedule_to_close"),
        ({"heartbeat_timeout": seconds(3)}, True, 3, "heartbeat"),
        ({}, True, 3600, "start_to_close"),
    ],
)
def test_each_deadline_is_due_at_its_moment(
    order: dict[str, dt.timedelta], begun: bool, at: float, kind: str
) -> None:
    task_id = insert_activity(quiet_run(), **order)
    if begun:
        assert claim(task_id) is not None

    assert sweeping.overdue(now=after(at) - dt.timedelta(microseconds=1), limit=9) == []
    [(attempt, found)] = sweeping.overdue(now=after(at), limit=9)

    assert (attempt.id, found) == (task_id, kind)


def test_an_activity_without_timeouts_may_wait_for_ever() -> None:
    insert_activity(quiet_run())

    assert sweeping.overdue(now=after(10**8), limit=9) == []


def test_the_longest_overdue_come_first() -> None:
    run_id = quiet_run()
    for name, limit in (("1", 30), ("2", 10), ("3", 20)):
        insert_activity(run_id, name, schedule_to_start_timeout=seconds(limit))

    found = sweeping.overdue(now=after(60), limit=2)

    assert [attempt.order.activity_id for attempt, _ in found] == ["2", "3"]


# --- hand-over and workers ------------------------------------------------------------------------


def test_a_worker_finds_its_attempts() -> None:
    mine, others = claimed(), claimed()
    ActivityTask.objects.filter(id=others.id).update(owner_id=uuid7())

    assert [attempt.id for attempt in sweeping.owned_by([ME], limit=9)] == [mine.id]


@pytest.mark.postgres
def test_an_attempt_is_found_by_its_key_however_long_the_backlog() -> None:
    """A plan that was made for an empty table must not walk through all that waits."""
    task_id = insert_activity(quiet_run())
    attempt = activities.claim_attempt(task_id, 1, owner_id=uuid.uuid4(), pid=1, now=START)
    assert attempt is not None
    fence, parameters = fence_of(attempt)
    beginning = f"id = '{task_id}' AND attempt = 1 AND {UNBEGUN} AND NOT paused"
    with connection().cursor() as cursor:
        for condition, values in ((fence, parameters), (beginning, [])):
            cursor.execute(f"EXPLAIN DELETE FROM aion_activitytask WHERE {condition}", values)
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "aion_activity_ready" not in plan
            assert "aion_activity_owner" not in plan

"""What a batch of turns writes, list by list."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from aion.core.events import ActivityCancelled, SignalReceived
from aion.core.history import decode_event
from aion.core.status import RunStatus
from aion.models import ActivityTask, Message, Run, Timer
from aion.store import histories, mailbox, turns
from aion.store.dialects import atomic
from aion.store.rows import Hold, NewEvents, Problem, RunUpdate, TimerOrder
from aion.store.turns import TurnWrites
from tests.support.clocks import START
from tests.support.rows import insert_activity, insert_run, mailbox_of, order_of, quiet_run, signals

pytestmark = pytest.mark.django_db

LATER = START + dt.timedelta(minutes=1)


def write(**lists: list[object]) -> None:
    with atomic():
        turns.write(TurnWrites(**lists), now=START)  # type: ignore[arg-type]


def update(run_id: uuid.UUID, **changes: object) -> RunUpdate:
    given = {"head_seq": 1, "history_bytes": 0, "status": RunStatus.RUNNING, "owner_id": None}
    return RunUpdate(id=run_id, **{**given, **changes})  # type: ignore[arg-type]


def timer(run_id: uuid.UUID, name: str) -> Timer:
    return Timer.objects.create(run_id=run_id, timer_id=name, fire_at=LATER)


def test_an_empty_batch_is_no_statement(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        turns.write(TurnWrites(), now=START)


def test_events_and_projection_of_many_runs() -> None:
    ids = [insert_run() for _ in range(3)]
    owner = uuid.uuid4()

    write(
        events=[NewEvents(run_id, 1, signals(2, 2)) for run_id in ids],
        runs=[update(run_id, head_seq=3, history_bytes=100, owner_id=owner) for run_id in ids],
    )

    for run_id in ids:
        run = Run.objects.get(id=run_id)
        gained = [len(e.attributes) for e in run.events.filter(seq__gt=1)]
        assert [r.seq for r in histories.load_one(run_id)] == [1, 2, 3]
        assert (run.head_seq, run.history_bytes) == (3, 100 + sum(gained))
        assert (run.owner_id, run.status, run.closed_at) == (owner, "running", None)


def test_a_successful_turn_clears_the_problem() -> None:
    run_id = insert_run()
    Run.objects.update(problem="{}", problem_count=3, held_until=LATER)

    write(runs=[update(run_id, had_problem=True)])

    run = Run.objects.get(id=run_id)
    assert (run.problem, run.problem_count, run.held_until) == (None, 0, None)


def test_results_and_failures_are_kept_as_they_are() -> None:
    done, failed = insert_run(), insert_run()
    tricky = '{"quote":"\\"","back":"\\\\","braces":"{,}"}'

    write(
        runs=[
            update(done, status=RunStatus.COMPLETED, closed_at=LATER, result=tricky),
            update(failed, status=RunStatus.FAILED, closed_at=LATER, failure=tricky),
        ],
        closed=[done, failed],
    )

    assert Run.objects.values_list("status", "result", "failure", "closed_at").get(id=done) == (
        "completed",
        tricky,
        None,
        LATER,
    )
    assert Run.objects.values_list("status", "result", "failure").get(id=failed) == (
        "failed",
        None,
        tricky,
    )


def test_activities_become_rows_that_count_as_published() -> None:
    run_id = insert_run()
    orders = [
        order_of(run_id, "1", task_queue="fast", schedule_to_start_timeout=dt.timedelta(minutes=1)),
        order_of(run_id, "2"),
    ]

    write(activities=orders)  # type: ignore[arg-type]

    first = ActivityTask.objects.get(activity_id="1")
    assert (first.id, first.run_id, first.task_queue) == (orders[0].id, run_id, "fast")
    assert (first.state, first.attempt, first.paused, first.cancel_requested) == (
        "scheduled",
        1,
        False,
        False,
    )
    assert (first.scheduled_at, first.next_attempt_at, first.published_at) == (START,) * 3
    assert (first.timeout_at, first.timeout_kind) == (LATER, "schedule_to_start")
    assert ActivityTask.objects.get(activity_id="2").timeout_at is None


def test_timers_are_set_and_cancelled_by_name_and_run() -> None:
    one, two = insert_run(), insert_run()
    timer(one, "1")
    timer(one, "2")
    timer(two, "1")

    write(
        timers=[TimerOrder(one, "3", LATER), TimerOrder(two, "2", START)],
        timers_cancelled=[(one, "1"), (two, "9"), (two, "2")],
    )

    left = Timer.objects.order_by("run_id", "timer_id").values_list("run_id", "timer_id", "fire_at")
    assert sorted(left) == sorted([(one, "2", LATER), (one, "3", LATER), (two, "1", LATER)])


def test_what_was_consumed_is_deleted_and_nothing_else() -> None:
    run_id = insert_run()
    mailbox.post([(run_id, mailbox.WAKE, "{}")] * 2, now=START)
    gone, kept = timer(run_id, "1"), timer(run_id, "2")
    done = list(Message.objects.values_list("id", flat=True))[:2]

    write(messages_done=done, timers_done=[gone.id])

    assert Message.objects.count() == 1
    assert list(Timer.objects.all()) == [kept]


def test_messages_out_are_posted() -> None:
    one, two = quiet_run(), quiet_run()

    write(
        messages_out=[
            mailbox.message(one, SignalReceived(name="a")),
            mailbox.message(two, SignalReceived(name="b")),
        ]
    )

    assert (mailbox_of(one), mailbox_of(two)) == (["SignalReceived"], ["SignalReceived"])


def test_cancelling_takes_back_what_nobody_began_and_tells_the_others() -> None:
    run_id = quiet_run()
    waiting, running, other = (insert_activity(run_id, name) for name in ("1", "2", "3"))
    ActivityTask.objects.filter(id=running).update(state="running", owner_id=uuid.uuid4())

    write(activities_cancelled=[(run_id, "1"), (run_id, "2"), (run_id, "9")])

    assert not ActivityTask.objects.filter(id=waiting).exists()
    assert ActivityTask.objects.get(id=running).cancel_requested is True
    assert ActivityTask.objects.get(id=other).cancel_requested is False
    [message] = Message.objects.filter(run_id=run_id)
    assert decode_event(message.kind, message.body) == ActivityCancelled(activity_id="1")


def test_an_activity_scheduled_and_cancelled_in_one_batch_is_confirmed() -> None:
    run_id = quiet_run()

    write(activities=[order_of(run_id, "1")], activities_cancelled=[(run_id, "1")])

    assert ActivityTask.objects.count() == 0
    assert mailbox_of(run_id) == ["ActivityCancelled"]


def test_a_closed_run_waits_for_nothing() -> None:
    closed, open_one = quiet_run(), quiet_run()
    for run_id in (closed, open_one):
        insert_activity(run_id)
        timer(run_id, "1")

    write(
        runs=[update(closed, status=RunStatus.COMPLETED, closed_at=START)],
        timers=[TimerOrder(closed, "2", LATER)],
        activities=[order_of(closed, "2")],
        closed=[closed],
    )

    assert list(ActivityTask.objects.values_list("run_id", flat=True)) == [open_one]
    assert list(Timer.objects.values_list("run_id", flat=True)) == [open_one]


def test_a_held_run_keeps_its_messages_parked_and_loses_its_owner() -> None:
    held, other = insert_run(), insert_run()
    for run_id in (held, other):
        timer(run_id, "1")
    Run.objects.filter(id=held).update(owner_id=uuid.uuid4())
    problem = Problem(code="x", type="Y", message='a "message"', traceback="tb\n\\", at=START)

    write(holds=[Hold(held, problem, 2, LATER)])

    run = Run.objects.get(id=held)
    assert (run.problem_count, run.held_until, run.owner_id) == (2, LATER, None)
    assert '"code":"x"' in run.problem
    assert (run.status, run.head_seq) == ("running", 1)
    assert list(Message.objects.filter(parked=True).values_list("run_id", flat=True)) == [held]
    assert list(Timer.objects.filter(parked=True).values_list("run_id", flat=True)) == [held]


def test_a_parked_run_parks_what_was_posted_in_the_same_batch() -> None:
    run_id = insert_run()

    write(parked=[run_id], messages_out=[mailbox.message(run_id, SignalReceived(name="a"))])

    assert set(Message.objects.values_list("parked", flat=True)) == {True}
    assert Message.objects.count() == 2


def test_a_batch_that_fails_leaves_nothing() -> None:
    run_id = insert_run()
    histories.append(run_id, signals(2, 1), expected_seq=1)

    with pytest.raises(Exception, match=r"UNIQUE|unique|duplicate"):
        write(
            timers=[TimerOrder(run_id, "1", LATER)],
            events=[NewEvents(run_id, 1, signals(2, 1))],
        )

    assert Timer.objects.count() == 0
    assert len(histories.load_one(run_id)) == 2

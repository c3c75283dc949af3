"""Claims: which runs a worker may take, and what it reads of them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from aion.core.events import SignalReceived
from aion.core.ids import uuid7
from aion.models import Message, Run, Timer
from aion.store import claims, mailbox, new_runs
from aion.store.dialects import atomic
from aion.store.rows import Claimed
from tests.support.clocks import START
from tests.support.engine import in_thread
from tests.support.locks import locked
from tests.support.rows import insert_activity, insert_run, new_run, quiet_run
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db

ME = uuid7()


def claim(**given: Any) -> list[Claimed]:
    with atomic():
        return claims.claim(**{"worker_id": ME, "now": START, "limit": 10, **given})


def claimed(**given: Any) -> list[uuid.UUID]:
    return [one.run.id for one in claim(**given)]


def signal(run_id: uuid.UUID, name: str = "s") -> None:
    mailbox.post([mailbox.message(run_id, SignalReceived(name=name))], now=START)


def timer(run_id: uuid.UUID, name: str, seconds: float = 0, **given: Any) -> None:
    at = START + dt.timedelta(seconds=seconds)
    Timer.objects.create(run_id=run_id, timer_id=name, fire_at=at, **given)


def test_a_run_without_work_is_left() -> None:
    quiet_run()

    assert claimed() == []


def test_a_claim_shows_the_row_of_the_run() -> None:
    run_id = insert_run("order-7", workflow_type="kit.greet", task_queue="fast")

    [one] = claim()

    assert (one.run.id, one.run.workflow_id, one.run.workflow_type) == (
        run_id,
        "order-7",
        "kit.greet",
    )
    assert (one.run.task_queue, one.run.head_seq, one.run.first_seq) == ("fast", 1, 1)
    assert (one.run.closed, one.run.owner_id, one.run.held_until) == (False, None, None)
    assert one.run.history_bytes > 0


def test_the_whole_mailbox_is_read_in_the_order_of_arrival() -> None:
    run_id = insert_run()
    for number in range(5):
        signal(run_id, f"s{number}")

    [one] = claim(limit=1)

    assert [message.kind for message in one.messages] == ["start"] + ["SignalReceived"] * 5
    assert [f's{number}"' in m.body for number, m in enumerate(one.messages[1:])] == [True] * 5


def test_parked_messages_of_a_claimed_run_are_read_too() -> None:
    run_id = insert_run()
    Message.objects.update(parked=True)
    timer(run_id, "1", parked=True)
    signal(run_id)

    [one] = claim()

    assert [message.kind for message in one.messages] == ["start", "SignalReceived"]
    assert [due.timer_id for due in one.timers] == ["1"]


def test_parked_messages_and_timers_make_no_run_ready() -> None:
    insert_run()
    Message.objects.update(parked=True)
    timer(quiet_run(), "1", seconds=-60, parked=True)

    assert claimed() == []


def test_a_timer_is_due_at_its_very_moment() -> None:
    early, exact, late = quiet_run(), quiet_run(), quiet_run()
    timer(early, "1", seconds=-1)
    timer(exact, "1")
    timer(late, "1", seconds=0.000001)

    found = claim()

    assert {one.run.id for one in found} == {early, exact}
    assert all([due.timer_id for due in one.timers] == ["1"] for one in found)


def test_only_due_timers_are_read_and_in_order() -> None:
    run_id = quiet_run()
    timer(run_id, "b", seconds=-1)
    timer(run_id, "a", seconds=-2)
    timer(run_id, "later", seconds=1)

    [one] = claim()

    assert [due.timer_id for due in one.timers] == ["a", "b"]


def test_messages_of_many_runs_go_to_their_own() -> None:
    first, second = quiet_run(), quiet_run()
    signal(first, "one")
    signal(second, "two")
    signal(first, "three")

    found = {one.run.id: [m.body for m in one.messages] for one in claim()}

    assert [len(found[first]), len(found[second])] == [2, 1]
    assert '"two"' in found[second][0]


def test_the_oldest_work_comes_first_and_the_limit_holds() -> None:
    ids = [quiet_run() for _ in range(4)]
    for run_id in (ids[2], ids[0], ids[3], ids[1]):
        signal(run_id)

    assert claimed() == [ids[2], ids[0], ids[3], ids[1]]
    assert claimed(limit=2) == [ids[2], ids[0]]


def test_what_another_worker_owns_is_left_to_it() -> None:
    mine, others, free = quiet_run(), quiet_run(), quiet_run()
    for run_id in (mine, others, free):
        signal(run_id)
    Run.objects.filter(id=mine).update(owner_id=ME)
    Run.objects.filter(id=others).update(owner_id=uuid7())

    assert set(claimed()) == {mine, free}
    assert claimed(own=[others]) == [mine, free]


def test_own_runs_are_claimed_without_messages() -> None:
    run_id = quiet_run()

    [one] = claim(own=[run_id])

    assert (one.run.id, one.messages, one.timers) == (run_id, [], [])


def test_queues_filter_what_is_ready_but_not_what_is_owned() -> None:
    fast = insert_run(task_queue="fast")
    slow = insert_run(task_queue="slow")
    timed = quiet_run(task_queue="slow")
    timer(timed, "1")

    assert claimed(queues=["fast"]) == [fast]
    assert set(claimed(queues=["slow", "other"])) == {slow, timed}
    assert claimed(queues=["fast"], own=[slow]) == [fast, slow]
    assert claimed(queues=["none"]) == []


def test_a_closed_run_with_late_messages_is_claimed_to_be_swept() -> None:
    run_id = insert_run()
    Run.objects.update(closed_at=START, status="completed")

    [one] = claim()

    assert (one.run.id, one.run.closed) == (run_id, True)


def test_locking_an_unknown_run_gives_none() -> None:
    with atomic():
        assert claims.lock_run(uuid7()) is None


@pytest.mark.parametrize("seconds", [5.0, -5.0])
def test_the_next_due_moment_is_that_of_the_earliest_timer(seconds: float) -> None:
    run_id = quiet_run()
    timer(run_id, "late", seconds=60)
    timer(run_id, "early", seconds=seconds)
    timer(run_id, "parked", seconds=-60, parked=True)

    assert claims.next_due() == (START + dt.timedelta(seconds=seconds), None)


def test_the_next_due_moment_may_be_a_retry() -> None:
    assert claims.next_due() == (None, None)

    insert_activity(quiet_run())
    published = claims.next_due()
    from aion.models import ActivityTask

    ActivityTask.objects.update(published_at=None, next_attempt_at=START)

    assert (published, claims.next_due()) == ((None, None), (None, START))


# --- other connections ----------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_locked_run_is_skipped_and_not_waited_for() -> None:
    busy, free = insert_run(), insert_run()

    with locked(busy):
        assert claimed() == [free]
        assert claimed(own=[busy]) == [free]

    assert set(claimed()) == {busy, free}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_workers_claim_different_runs() -> None:
    for _ in range(6):
        insert_run()

    with atomic():
        mine = {one.run.id for one in claims.claim(worker_id=ME, now=START, limit=3)}
        others = {
            one.run.id for one in in_thread(lambda: claim(worker_id=uuid7(), limit=100)).done()
        }

    assert len(mine) == len(others) == 3
    assert mine.isdisjoint(others)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_sender_waits_for_a_turn_and_a_turn_does_not_wait_for_a_sender() -> None:
    run_id = insert_run()

    def send() -> bool:
        with atomic():
            row = claims.lock_run(run_id)
            return row is not None and row.closed

    with atomic():
        assert len(claims.claim(worker_id=ME, now=START, limit=3)) == 1
        sender = in_thread(send)
        eventually(_somebody_waits_for_a_lock)
        Run.objects.filter(id=run_id).update(closed_at=START, status="completed")

    assert sender.done() is True


def _somebody_waits_for_a_lock() -> bool:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_locked_run_with_a_full_mailbox_does_not_hide_the_others() -> None:
    crowded, free = quiet_run(), quiet_run()
    for number in range(12):
        signal(crowded, f"s{number}")
    signal(free)

    with locked(crowded):
        assert claimed(limit=10) == [free]


def test_a_new_run_with_a_delay_is_not_ready() -> None:

    new = new_run(start_delay=dt.timedelta(seconds=30))
    with atomic():
        new_runs.try_insert(new)

    assert claimed() == []
    assert claimed(now=START + dt.timedelta(seconds=30)) == [new.id]

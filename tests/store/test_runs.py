"""Runs: how they come into being, and how they are found."""

from __future__ import annotations

import datetime as dt
import threading

import msgspec
import pytest
from django.test.utils import CaptureQueriesContext

from aion.core.ids import uuid7
from aion.core.status import RunStatus
from aion.models import Event, Message, Run, Timer
from aion.store import holds, new_runs, runs
from aion.store.dialects import atomic, connection
from tests.support.clocks import START
from tests.support.engine import in_thread
from tests.support.locks import locked
from tests.support.rows import counts, insert_run, mailbox_of, new_run, quiet_run

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(minutes=1)


def insert(new: new_runs.NewRun) -> bool:
    with atomic():
        return new_runs.try_insert(new)


def close(run_id: object, *, at: dt.datetime = START) -> None:
    Run.objects.filter(id=run_id).update(status="completed", closed_at=at)


def test_a_start_is_a_row_its_first_event_and_a_message() -> None:
    new = new_run(
        "order-1", memo=msgspec.Raw(b'{"a":1}'), search_attributes=msgspec.Raw(b'{"b":[2]}')
    )

    assert insert(new) is True

    run = Run.objects.get()
    assert (run.id, run.workflow_id, run.status) == (new.id, "order-1", "running")
    assert (run.head_seq, run.first_seq, run.root_run_id) == (1, 1, new.id)
    assert (run.memo, run.search_attributes) == ('{"a":1}', {"b": [2]})
    event = Event.objects.get()
    assert (event.run_id, event.seq, event.kind) == (new.id, 1, "WorkflowStarted")
    assert run.history_bytes == len(event.attributes)
    assert mailbox_of(new.id) == ["start"]


def test_a_second_open_run_of_a_workflow_id_is_an_answer_and_writes_nothing() -> None:
    insert_run("order-1")
    before = counts()

    assert insert(new_run("order-1")) is False

    assert counts() == before


def test_a_closed_run_leaves_its_workflow_id_free() -> None:
    close(insert_run("order-1"))

    assert insert(new_run("order-1")) is True


def test_a_delayed_start_is_a_timer_and_no_message() -> None:
    new = new_run(
        start_delay=MINUTE, run_timeout=2 * MINUTE, execution_deadline_at=START + 10 * MINUTE
    )

    insert(new)

    timers = dict(Timer.objects.values_list("timer_id", "fire_at"))
    assert timers == {
        "$start": START + MINUTE,
        "$run": START + 3 * MINUTE,
        "$execution": START + 10 * MINUTE,
    }
    assert Message.objects.count() == 0
    assert Run.objects.get().deadline_at == START + 3 * MINUTE


def insert_many(news: list[new_runs.NewRun]) -> list[new_runs.NewRun]:
    with atomic(), connection().cursor() as cursor:
        return new_runs.insert_many(news, cursor=cursor)


@pytest.mark.postgres
def test_many_runs_are_made_by_a_fixed_number_of_statements() -> None:
    def made(number: int) -> int:
        news = [new_run(run_timeout=MINUTE) for _ in range(number)]
        with CaptureQueriesContext(connection()) as captured:
            assert insert_many(news) == []
        return len(captured) - 2  # without the savepoint

    assert made(1) == made(50)
    assert (Run.objects.count(), Message.objects.count(), Timer.objects.count()) == (51, 51, 51)


def test_of_many_runs_those_whose_id_is_taken_are_given_back() -> None:
    insert_run("taken")
    free, taken = new_run("free"), new_run("taken", run_timeout=MINUTE)

    assert insert_many([taken, free]) == [taken]

    assert set(Run.objects.values_list("workflow_id", flat=True)) == {"taken", "free"}
    assert Event.objects.filter(run_id=taken.id).count() == 0
    assert mailbox_of(taken.id) == []
    assert Timer.objects.count() == 0
    assert insert_many([new_run("taken")])[0].started.workflow_id == "taken"
    assert insert_many([]) == []


def test_of_two_new_runs_with_one_workflow_id_the_first_is_made() -> None:
    first, second = new_run("same"), new_run("same")

    assert insert_many([first, second]) == [second]

    assert Run.objects.get().id == first.id


@pytest.mark.django_db(transaction=True)
def test_of_many_concurrent_starts_one_is_open() -> None:
    together = threading.Barrier(6)

    def start() -> bool:
        new = new_run("order-1")
        together.wait(10)
        return insert(new)

    threads = [in_thread(start) for _ in range(6)]

    assert sum(thread.done() for thread in threads) == 1
    assert Run.objects.filter(workflow_id="order-1", closed_at=None).count() == 1
    assert (Event.objects.count(), Message.objects.count()) == (1, 1)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_start_behind_one_that_rolls_back_succeeds() -> None:
    inserted, let_go = threading.Event(), threading.Event()

    def begin_and_roll_back() -> None:
        with pytest.raises(RuntimeError), atomic():
            new_runs.try_insert(new_run("order-1"))
            inserted.set()
            let_go.wait(10)
            raise RuntimeError

    first = in_thread(begin_and_roll_back)
    assert inserted.wait(10)
    second = in_thread(insert, new_run("order-1"))
    let_go.set()
    first.done()

    assert second.done() is True
    assert Run.objects.count() == 1


# --- finding --------------------------------------------------------------------------------------


def test_a_run_is_found_by_its_id() -> None:
    run_id = insert_run("order-1", workflow_type="kit.greet")

    found = runs.get(run_id)

    assert found is not None
    assert (found.id, found.workflow_id, found.workflow_type) == (run_id, "order-1", "kit.greet")
    assert (found.status, found.started_at, found.closed_at) == (RunStatus.RUNNING, START, None)
    assert runs.get(uuid7()) is None
    assert runs.state(run_id) == (RunStatus.RUNNING, None, None, None)
    assert runs.state(uuid7()) is None


def test_the_open_run_comes_before_newer_closed_ones() -> None:
    old, newer = insert_run("a"), None
    close(old)
    newer = insert_run("a")

    assert getattr(runs.latest("a"), "id", None) == newer

    close(newer)
    assert getattr(runs.latest("a"), "id", None) == newer
    assert getattr(runs.newest_other("a", newer), "id", None) == old
    assert runs.newest_other("a", old) is not None
    assert runs.latest("b") is None


def test_the_run_of_a_request_is_found() -> None:
    run_id = insert_run("a", request_id="r-1")

    assert getattr(runs.requested("a", "r-1"), "id", None) == run_id
    assert runs.requested("a", "r-2") is None
    assert runs.requested("b", "r-1") is None


def test_a_successor_is_found() -> None:
    first = insert_run("a")
    close(first)
    second = insert_run("a", continued_from_run_id=str(first))

    assert getattr(runs.successor(first), "id", None) == second
    assert runs.successor(second) is None


# --- held runs ------------------------------------------------------------------------------------


def hold(run_id: object, until: dt.datetime) -> None:
    Run.objects.filter(id=run_id).update(held_until=until, problem="{}", problem_count=1)
    Message.objects.filter(run_id=run_id).update(parked=True)
    Timer.objects.create(run_id=run_id, timer_id="1", fire_at=START + MINUTE, parked=True)


def test_held_runs_are_released_when_their_time_has_come() -> None:
    due, later, free = insert_run(), insert_run(), quiet_run()
    hold(due, START)
    hold(later, START + MINUTE)

    assert holds.release(now=START) == 1

    assert mailbox_of(due) == ["start", "wake"]
    assert not Message.objects.filter(run_id=due, parked=True).exists()
    assert not Timer.objects.filter(run_id=due, parked=True).exists()
    released = Run.objects.get(id=due)
    assert (released.held_until, released.problem, released.problem_count) == (None, "{}", 1)
    assert Message.objects.filter(run_id=later, parked=True).exists()
    assert mailbox_of(free) == []


def test_one_or_all_may_be_released_before_their_time() -> None:
    one, two = insert_run(), insert_run()
    hold(one, START + MINUTE)
    hold(two, START + MINUTE)

    assert holds.release(now=START, run_id=two) == 1
    assert Run.objects.get(id=one).held_until is not None
    assert holds.release(now=START, only_due=False) == 1
    assert holds.release(now=START, only_due=False) == 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_held_run_that_is_locked_is_released_later() -> None:
    run_id = insert_run()
    hold(run_id, START)

    with locked(run_id):
        assert holds.release(now=START) == 0

    assert holds.release(now=START) == 1

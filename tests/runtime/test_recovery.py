"""What died, was lost or went wrong half-way is made good, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from aion import client, workflow
from aion.core.status import project
from aion.models import ActivityTask, Message, Run, SearchValue, Timer, Worker
from aion.operations import bell
from aion.store import turns
from aion_engine.runtime.recovery import Recovery
from aion_engine.runtime.tick import tick
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine, running_worker
from tests.support.rows import counts, events_of, kinds_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]


def snapshot() -> list[Any]:
    return [
        counts() | {"Tick": 0},
        list(Run.objects.order_by("id").values()),
        list(ActivityTask.objects.order_by("id").values()),
    ]


@pytest.fixture
def two_steps(script: Register, acting: Register) -> list[int]:
    """A workflow of two activities with a sleep between them; gives the calls that were made."""
    calls: list[int] = []

    @acting
    def step(number: int) -> int:
        calls.append(number)
        return number

    @script
    async def main(me: kit.Scripted) -> list[int]:
        first = await kit.act.execute("step", 1)
        await workflow.sleep(30)
        second = await kit.act.execute("step", 2)
        return [first, second, *me.notes]

    return calls


def test_a_dead_workers_attempt_is_given_up_and_run_again(
    engine: Engine, clock: StandingClock, two_steps: list[int]
) -> None:
    handle = engine.start("main")
    engine.turns()
    lost = engine.begin()
    assert lost is not None
    engine.die()

    other = Engine()
    clock.move(14)
    assert other.tick().dead_workers == 0
    clock.move(2)
    report = other.tick()

    assert (report.dead_workers, report.attempts_given_up) == (1, 1)
    assert Worker.objects.get().id == other.worker.id
    assert ActivityTask.objects.values_list("attempt", "state").get() == (2, "scheduled")
    before = snapshot()
    engine.perform(lost)  # it was not dead after all; its outcome comes too late
    assert snapshot() == before
    for _ in range(3):
        clock.move(31)
        other.tick()
        other.go()
    assert handle.result(0) == [1, 2]
    assert two_steps == [1, 1, 2]
    other.close()


def test_a_second_tick_changes_nothing(
    engine: Engine, clock: StandingClock, two_steps: list[int]
) -> None:
    engine.start("main")
    engine.turns()
    assert engine.begin() is not None
    engine.start("main")
    engine.turns()
    clock.move(20)
    other = Engine()
    other.tick()
    before = snapshot()

    report = other.tick()

    assert snapshot() == before
    assert report == type(report)(ran=True)
    other.close()


def test_a_tick_is_taken_once(engine: Engine, clock: StandingClock) -> None:
    assert tick().ran is True
    assert tick().ran is False
    clock.move(0.4)
    assert tick().ran is False
    clock.move(0.1)
    assert tick().ran is True


def test_a_run_is_replayed_by_whoever_takes_it_next(
    engine: Engine, clock: StandingClock, two_steps: list[int]
) -> None:
    """A new process at each step ends with the same history as one process."""
    undisturbed = engine.start("main")
    disturbed = engine.start("main")
    for _ in range(3):
        engine.turns()
        while engine.act():
            pass
        engine.turns()
        engine.loop.turns.cache.drop(disturbed.run_id)  # type: ignore[arg-type]
        clock.move(31)

    assert undisturbed.result(0) == disturbed.result(0) == [1, 2]
    assert kinds_of(undisturbed.run_id) == kinds_of(disturbed.run_id)  # type: ignore[arg-type]
    assert sorted(two_steps) == [1, 1, 2, 2]


def test_a_stale_instance_is_thrown_away(
    engine: Engine, clock: StandingClock, two_steps: list[int]
) -> None:
    handle = engine.start("main")
    engine.turns()
    engine.act()
    other = Engine()
    other.turns()  # the other process advances the run; this one's instance knows less
    handle.signal("note", 7)
    engine.turns()
    handle.signal("note", 8)
    other.turns()
    clock.move(31)
    other.go()

    assert handle.result(0) == [1, 2, 7, 8]
    assert two_steps == [1, 2]
    assert [recorded.seq for recorded in handle.fetch_history()] == list(
        range(1, handle.describe().history_length + 1)
    )
    other.close()


def test_the_cache_is_bounded(settings: Any, engine: Engine) -> None:
    settings.AION = {**settings.AION, "CACHE_RUNS": 3}
    small = Engine()
    handles = [client.start_workflow(kit.Waiting, 2) for _ in range(9)]
    small.turns()

    assert len(small.loop.turns.cache) == 3
    for number in (1, 2):
        for handle in handles:
            handle.signal("go", number)
        small.turns()
    assert {tuple(handle.result(0)) for handle in handles} == {(1, 2)}
    small.close()


def test_a_batch_is_bounded_by_time(settings: Any, script: Register, clock: StandingClock) -> None:
    settings.AION = {**settings.AION, "BATCH_TIME": 0.03}
    small = Engine()

    @script
    async def slow(me: kit.Scripted) -> None:
        begun = clock_of_the_machine()
        while clock_of_the_machine() - begun < 0.02:
            pass

    handles = [small.start("slow") for _ in range(6)]
    batch = small.turn()

    assert batch.turns + batch.left == 6
    assert 1 <= batch.turns <= 3
    assert Message.objects.count() == batch.left
    while small.turn().left:
        pass
    small.turns()
    assert {handle.describe().status for handle in handles} == {"completed"}
    small.close()


clock_of_the_machine = (
    time.thread_time
)  # a guard would stop workflow code that reads `perf_counter`


def test_a_batch_takes_at_most_so_many_runs(settings: Any, clock: StandingClock) -> None:
    settings.AION = {**settings.AION, "BATCH_RUNS": 4}
    small = Engine()
    for _ in range(10):
        client.start_workflow(kit.Waiting)

    assert [small.turn().turns for _ in range(4)] == [4, 4, 2, 0]
    small.close()


def test_a_batch_that_fails_leaves_nothing_and_is_taken_again(
    engine: Engine, two_steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    handles = [engine.start("main") for _ in range(3)]
    before = snapshot()
    write = turns.write

    def failing(*args: Any, **kwargs: Any) -> None:
        write(*args, **kwargs)
        raise DatabaseError("the connection is gone")

    monkeypatch.setattr(turns, "write", failing)
    with pytest.raises(DatabaseError):
        engine.turn()
    assert snapshot() == before
    monkeypatch.setattr(turns, "write", write)
    engine.turns()

    assert {handle.describe().history_length for handle in handles} == {2}


def test_a_handover_that_was_lost_is_made_again(
    engine: Engine, clock: StandingClock, two_steps: list[int]
) -> None:
    engine.start("main")
    engine.turn()  # the process dies before it hands over
    assert engine.tick().published == 0

    clock.move(11)
    assert engine.tick().published == 1
    assert engine.tick().published == 0


def test_history_says_the_status_of_every_run(
    engine: Engine, clock: StandingClock, two_steps: list[int]
) -> None:
    handles = [engine.start("main") for _ in range(4)]
    handles[0].cancel()
    handles[1].terminate()
    for _ in range(3):
        engine.go()
        clock.move(31)
        engine.tick()

    statuses = {run.id: run.status for run in Run.objects.all()}
    assert {run_id: project(events_of(run_id)) for run_id in statuses} == statuses
    assert sorted(statuses.values()) == ["cancelled", "completed", "completed", "terminated"]
    assert (ActivityTask.objects.count(), Timer.objects.count(), Message.objects.count()) == (
        0,
        0,
        0,
    )


# --- threads --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_start_whose_bell_never_rang_runs(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.AION = {**settings.AION, "POLL_INTERVAL": 0.1}
    monkeypatch.setattr(bell, "ring_loops_after_commit", lambda: None)

    with running_worker(activity_threads=0) as worker:
        eventually(lambda: worker.loop is not None and Worker.objects.exists())
        handle = client.start_workflow(kit.greet, "ann")

        assert handle.result(10).text == "hello ann"


@pytest.mark.django_db(transaction=True)
def test_a_start_runs_when_its_transaction_commits() -> None:
    with running_worker(activity_threads=0):
        with transaction.atomic():
            handle = client.start_workflow(kit.Waiting, id="a")
            handle.signal("go", 1)
            assert handle.describe().history_length == 1

        assert handle.result(10) == [1]


@pytest.mark.django_db(transaction=True)
def test_a_worker_gives_everything_back_when_it_stops(script: Register, acting: Register) -> None:
    from aion import activity

    begun: list[int] = []

    @acting
    def work() -> str:
        begun.append(activity.info().attempt)
        if len(begun) == 1:
            activity.wait_for_cancelled(20)
            raise RuntimeError(activity.cancel_reason())
        return "done"

    @script
    async def main(me: kit.Scripted) -> Any:
        return await kit.act.execute("work")

    with running_worker():
        handle = client.start_workflow(kit.Scripted, "main")
        eventually(lambda: begun)
    assert Worker.objects.count() == 0
    assert not ActivityTask.objects.filter(owner_id__isnull=False).exists()
    with running_worker():
        assert handle.result(10) == "done"
    assert begun == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_many_runs_of_everything_at_once(script: Register, acting: Register) -> None:
    @acting
    def work(number: int) -> int:
        return number + 1

    @script
    async def main(me: kit.Scripted, number: int) -> int:
        number = await kit.act.execute("work", number)
        number = await kit.act.execute_local("work", number)
        await workflow.sleep(0.01)
        await workflow.wait_condition(lambda: bool(me.notes), timeout=20)
        return await kit.booking.execute("work", number)

    with running_worker(activity_threads=4), running_worker(activity_threads=2):
        handles = [client.start_workflow(kit.Scripted, "main", number) for number in range(30)]
        for handle in handles:
            handle.signal("note", 1)

        assert [handle.result(30) for handle in handles] == [number + 3 for number in range(30)]
    for handle in handles:
        assert len(set(map(repr, handle.fetch_history()))) == handle.describe().history_length
    assert (ActivityTask.objects.count(), Timer.objects.count(), Message.objects.count()) == (
        0,
        0,
        0,
    )


def test_what_is_shown_is_repaired_from_history_once(
    engine: Engine, clock: StandingClock, script: Register
) -> None:
    @script
    async def main(me: kit.Scripted) -> None:
        workflow.patched("p")
        workflow.upsert_search_attributes({"n": 2, "tags": ["x", "y"], "color": None})
        workflow.upsert_memo({"m": 1})
        await workflow.wait_condition(lambda: False)

    handle = engine.start("main", search_attributes={"color": "red"})
    other = engine.start("other", search_attributes={"color": "red"}, memo={"k": "v"})
    engine.turns()
    rows = SearchValue.objects.order_by("run", "name", "position")
    right = (list(rows.values()), list(Run.objects.order_by("id").values()))
    SearchValue.objects.filter(run=handle.run_id, name="tags").delete()
    SearchValue.objects.filter(run=handle.run_id, name="n").update(integer=3)
    Run.objects.filter(id=other.run_id).update(search_attributes={}, memo="{}")

    first, second = Recovery().run(), Recovery().run()

    assert first["search attributes and memos repaired"] == 2
    assert second["search attributes and memos repaired"] == 0
    assert (list(rows.values()), list(Run.objects.order_by("id").values())) == right

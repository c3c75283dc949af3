"""A run whose turns kill their worker is found, among neighbours that go on, and parked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aion import workflow
from aion.models import Run, Suspect, Tick, Worker
from aion.store import crashes, holds
from aion_engine.runtime import starting
from aion_engine.runtime.crash_notes import how_long
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine, in_thread

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]


class Killed(BaseException):
    """What a worker's memory never sees."""


class Mill:
    """Workers on one host, each started when the last has died, as a supervisor does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.deaths = 0
        self._pid = 2**22 + 1  # above what Linux gives to processes
        self._monkeypatch = monkeypatch

    def work(self, *, most: int = 20) -> Engine:
        """Start workers until one has nothing to do; give it."""
        for _ in range(most):
            engine = self.start()
            try:
                engine.turns()
            except Killed:
                self.deaths += 1
                engine.die()
            else:
                return engine
        raise AssertionError(f"{most} workers died")

    def start(self) -> Engine:
        self._pid += 1
        engine = Engine()
        Worker.objects.filter(id=engine.worker.id).update(pid=self._pid)
        starting.look_back(engine.worker)
        return engine


@pytest.fixture
def mill(db: None, clock: StandingClock, monkeypatch: pytest.MonkeyPatch) -> Mill:
    return Mill(monkeypatch)


@pytest.fixture
def deadly(script: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of `deadly` kill their worker; those of `calm` do not."""
    from aion_engine.runtime.turns import Turns

    decide = Turns._decide

    def killing(self: Turns, work: Any, *args: Any) -> Any:
        if work.run.workflow_id.startswith("deadly") and work.run.held_until is None:
            raise Killed
        return decide(self, work, *args)

    monkeypatch.setattr(Turns, "_decide", killing)

    @script
    async def calm(me: kit.Scripted) -> str:
        await workflow.wait_condition(lambda: len(me.notes) > 0)
        return "done"


@pytest.mark.usefixtures("deadly")
def test_the_run_that_kills_is_parked_and_its_neighbours_go_on(
    mill: Mill, engine: Engine, clock: StandingClock
) -> None:
    calm = [engine.start("calm") for _ in range(3)]
    deadly = engine.start("calm", id="deadly")
    calm += [engine.start("calm") for _ in range(3)]
    for handle in calm:
        handle.signal("note", 1)

    mill.work()

    assert [handle.result(0) for handle in calm] == ["done"] * 6
    about = deadly.describe()
    assert about.problem is not None
    assert about.problem["code"] == "crash_loop"
    assert about.held_until == holds.PARKED
    assert "parked until somebody releases it" in about.why
    # One crash that nobody saw coming, two of the whole batch, and one alone.
    assert mill.deaths == 4
    assert not Suspect.objects.exists()


@pytest.mark.usefixtures("deadly")
def test_two_that_kill_are_both_found(mill: Mill, engine: Engine) -> None:
    for number in range(4):
        engine.start("calm", id=f"calm-{number}").signal("note", 1)
        engine.start("calm", id=f"deadly-{number}") if number % 2 else None

    mill.work()

    open_runs = Run.objects.filter(closed_at=None)
    assert {run.workflow_id for run in open_runs} == {"deadly-1", "deadly-3"}
    assert {run.held_until for run in open_runs} == {holds.PARKED}


@pytest.mark.usefixtures("deadly")
def test_a_parked_run_comes_back_by_hand_only(
    mill: Mill, engine: Engine, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = engine.start("calm", id="deadly")
    mill.work()
    deaths = mill.deaths
    clock.move(how_long().total_seconds() + 10_000)
    engine.tick()
    handle.signal("note", 1)
    mill.work()
    assert mill.deaths == deaths

    monkeypatch.undo()  # the code is mended
    handle.release()
    mill.work()

    assert handle.result(0) == "done"


@pytest.mark.usefixtures("deadly")
def test_one_crash_harms_nobody(mill: Mill, engine: Engine, clock: StandingClock) -> None:
    """A worker that was killed for another reason leaves suspects, who are acquitted at their next turn."""
    handles = [engine.start("calm") for _ in range(3)]
    first = mill.start()
    crashes.note(first.worker.id, [Run.objects.get(workflow_id=h.workflow_id).id for h in handles])
    first.die()

    second = mill.start()
    assert Suspect.objects.count() == 3
    second.turns()

    assert not Suspect.objects.exists()
    assert Worker.objects.get(id=second.worker.id).in_turn == "[]"
    assert not Run.objects.exclude(problem=None).exists()


def test_without_a_crash_nobody_takes_care(
    engine: Engine, script: Register, clock: StandingClock
) -> None:
    @script
    async def main(me: kit.Scripted) -> str:
        return "done"

    handle = engine.start("main")
    engine.turns()

    assert handle.result(0) == "done"
    assert Tick.objects.filter(crashed_at__isnull=False).count() == 0
    assert Worker.objects.get(id=engine.worker.id).in_turn == "[]"


def test_a_silent_worker_is_a_crash_too(mill: Mill, clock: StandingClock) -> None:
    """One that hangs, or whose host is gone: it is found when its lease has ended."""
    hung = mill.start()
    hung.loop.step()
    run = Engine().start("nothing", id="hung")
    crashes.note(hung.worker.id, [Run.objects.get(workflow_id="hung").id])
    clock.move(60)
    Worker.objects.filter(id=hung.worker.id).update(host="elsewhere")

    living = mill.start()
    living.tick()

    assert Suspect.objects.get().run.workflow_id == run.workflow_id
    assert crashes.last() == clock.read()


@pytest.mark.parametrize("loops", [True, False])
def test_workers_without_a_loop_crash_unseen(mill: Mill, clock: StandingClock, loops: bool) -> None:
    dead = mill.start()
    if loops:
        dead.loop.step()
    clock.move(60)

    mill.start().tick()

    assert (crashes.last() is not None) is loops


def test_local_activities_that_kill_are_found(
    mill: Mill, engine: Engine, clock: StandingClock, script: Register
) -> None:
    """The turn that asked for one is committed; who owned the run when it died says enough."""

    @script
    async def main(me: kit.Scripted) -> Any:
        return await kit.act.with_options(local=True).execute("kills")

    handle = engine.start("main")
    held = False
    for _ in range(6):
        worker = mill.start()
        worker.loop.local.submit = lambda wanted: list(wanted)  # type: ignore[method-assign, assignment, return-value]
        worker.turns()
        held = Run.objects.get().held_until == holds.PARKED
        if held:
            break
        assert Run.objects.get().owner_id == worker.worker.id
        worker.die()
        clock.move(20)
        engine.tick()

    assert held
    assert handle.describe().problem["code"] == "crash_loop"  # type: ignore[index]


class Mute(BaseException):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.django_db(transaction=True)
def test_errors_of_the_process_hold_the_run_that_raised_them(
    engine: Engine, script: Register
) -> None:
    errors = {"memory": MemoryError(), "by hand": KeyboardInterrupt(), "exit": SystemExit(3)}
    errors["mute"] = Mute()

    @script
    async def main(me: kit.Scripted, name: str) -> str:
        if name in errors:
            raise errors[name]
        return "done"

    fine = engine.start("main", "fine")
    handles = [engine.start("main", name) for name in errors]
    in_thread(engine.turn).done()  # in the main thread Ctrl-C would be meant

    assert fine.result(0) == "done"
    assert all(handle.describe().problem is not None for handle in handles)

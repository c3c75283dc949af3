"""Faults by phases: whatever breaks at whichever moment, the history is the one of an undisturbed life.

Each phase is one step of a life: the turn, the attempt, the timer, the signal, the end of a child, the firing
of a schedule, the pruning. Each fault is done to that step: at every commit, at every write, twice, with
another clock, with code or keys that do not fit. Then the life goes on as it would with another worker, and
must end as one that nothing has disturbed. docs/explanation/fault-matrix.md has the table.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection
from django.db.transaction import Atomic

from aion import client, workflow
from aion.authoring.registry import registry
from aion.client import WorkflowHandle
from aion.core.errors import AionError
from aion.models import Run, Worker
from aion.operations.prune import prune
from tests.acceptance import invariants
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.codecs import settings_with
from tests.support.engine import Engine
from tests.support.rows import kinds_of

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
HOUR = 3600
_numbers = itertools.count()


class Killed(BaseException):
    """What a `kill -9` is to a test: nothing in its way may handle it."""


@pytest.fixture(autouse=True)
def scripts(script: Callable[[Any], Any], acting: Callable[[Any], Any]) -> None:
    @acting
    def step(value: Any) -> Any:
        return value

    @script
    async def steps(me: kit.Scripted) -> Any:
        return await kit.act.execute("step", 1)

    @script
    async def sleeps(me: kit.Scripted) -> Any:
        await workflow.sleep(5)
        return "slept"

    @script
    async def listens(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: me.notes)
        return me.notes

    @script
    async def parent(me: kit.Scripted, child: str) -> Any:
        return await workflow.execute_child_workflow(kit.Scripted, "listens", id=child)


@pytest.fixture(autouse=True)
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker does about a broken connection would end the transaction that the test runs in."""
    monkeypatch.setattr(connection, "close", lambda: None)
    monkeypatch.setattr("aion_engine.runtime.execution._PAUSES", (0, 0))


class Life:
    """One life of a run, in which one step may be disturbed."""

    script = "steps"

    def __init__(self, engine: Engine, clock: StandingClock) -> None:
        self.engine = engine
        self.clock = clock
        self.id = f"life-{next(_numbers)}"

    def start(self, *args: Any) -> WorkflowHandle:
        return self.engine.start(self.script, *args, id=self.id)

    def before(self) -> None:
        """Bring the run to the step."""
        self.start()
        self.engine.turns()

    def step(self) -> None:
        """Do what is disturbed."""
        self.engine.turns()

    def after(self) -> None:
        """Live on to the end; whatever the step left undone is done by others, or asked for again."""
        self.engine.tick()
        self.engine.go()

    def recover(self) -> None:
        """Let another worker take over: the lease of the one that died passes."""
        self.engine.die()
        self.clock.move(60)
        self.engine = Engine()
        Worker.objects.exclude(id=self.engine.worker.id).update(
            last_seen_at=self.clock.read() - DAY
        )

    def outcome(self) -> Any:
        """What must be the same: kinds of events, and result."""
        [run] = Run.objects.filter(workflow_id=self.id)
        return run.status, self.result(run), kinds_of(run.id)

    def result(self, run: Run) -> Any:
        return client.get_workflow_handle(self.id, run.id).result(0)


class Turn(Life):
    def before(self) -> None:
        self.start()


class Activity(Life):
    def step(self) -> None:
        self.engine.act()

    def after(self) -> None:
        self.engine.tick()
        self.clock.move(60)  # the pause before the attempt that follows one that was given up
        super().after()


class TimerFires(Life):
    script = "sleeps"

    def before(self) -> None:
        super().before()
        self.clock.move(6)


class Signal(Life):
    script = "listens"

    def step(self) -> None:
        client.get_workflow_handle(self.id).signal("note", "x", request_id="once")

    def after(self) -> None:
        with contextlib.suppress(AionError):  # it has arrived and ended the run
            self.step()  # a caller that got an error asks again, with its request id
        super().after()


class ChildEnds(Life):
    script = "parent"

    def before(self) -> None:
        self.start(f"{self.id}-child")
        self.engine.turns()
        client.get_workflow_handle(f"{self.id}-child").signal("note", "x")

    def outcome(self) -> Any:
        [child] = Run.objects.filter(workflow_id=f"{self.id}-child")
        return (*super().outcome(), child.status, kinds_of(child.id))


class ScheduleFires(Life):
    def before(self) -> None:
        self.schedule = client.create_schedule(
            self.id, kit.Scripted, "steps", spec=dt.timedelta(days=400), workflow_id=self.id
        )
        self.clock.move(400 * DAY.total_seconds())

    def step(self) -> None:
        self.engine.tick()

    def outcome(self) -> Any:
        runs = [run.run_id for run in self.schedule.describe().recent]
        self.schedule.delete()
        return [kinds_of(run_id) for run_id in runs if run_id]


class Retention(Life):
    def before(self) -> None:
        self.start()
        self.engine.go()
        self.clock.move(2 * DAY.total_seconds())

    def step(self) -> None:
        prune(DAY)

    def after(self) -> None:
        self.step()

    def outcome(self) -> Any:
        return list(Run.objects.filter(workflow_id=self.id))


PHASES = {
    "turn": Turn,
    "activity": Activity,
    "timer": TimerFires,
    "signal": Signal,
    "child": ChildEnds,
    "schedule": ScheduleFires,
    "retention": Retention,
}

Born = Callable[[], Life]


@pytest.fixture(params=PHASES)
def born(request: pytest.FixtureRequest, engine: Engine, clock: StandingClock) -> Iterator[Born]:
    """Gives a new life of the phase, just before its step; at the end all tables must be whole."""
    made: list[Life] = []

    def bear() -> Life:
        life: Life = PHASES[request.param](made[-1].engine if made else engine, clock)
        made.append(life)
        life.before()
        return life

    yield bear
    made[-1].engine.close()
    assert invariants.problems() == []


def undisturbed(born: Born) -> Any:
    life = born()
    life.step()
    life.after()
    return life.outcome()


def is_write(sql: str) -> bool:
    return sql.lstrip("( ").startswith(("INSERT", "UPDATE", "DELETE", "WITH"))


# --- at every commit --------------------------------------------------------------------------------


@contextlib.contextmanager
def at_commit(number: int, error: BaseException, *, before: bool) -> Iterator[list[int]]:
    """Raise at the commit of this number, before or behind it; counts those that there were.

    A write outside of a transaction is one of its own.
    """
    enter, leave = Atomic.__enter__, Atomic.__exit__
    depth, seen = [0], [0]

    def entering(self: Atomic) -> None:
        depth[0] += 1
        enter(self)

    def leaving(self: Atomic, kind: Any, value: Any, trace: Any) -> None:
        depth[0] -= 1
        is_commit = depth[0] == 0 and kind is None
        seen[0] += is_commit
        if is_commit and seen[0] == number and before:
            leave(self, type(error), error, None)
            raise error
        leave(self, kind, value, trace)
        if is_commit and seen[0] == number:
            raise error

    def executing(execute: Any, sql: str, *rest: Any) -> Any:
        is_commit = depth[0] == 0 and is_write(sql)
        seen[0] += is_commit
        if is_commit and seen[0] == number and before:
            raise error
        answer = execute(sql, *rest)
        if is_commit and seen[0] == number:
            raise error
        return answer

    Atomic.__enter__, Atomic.__exit__ = entering, leaving  # type: ignore[method-assign]
    try:
        with connection.execute_wrapper(executing):
            yield seen
    finally:
        Atomic.__enter__, Atomic.__exit__ = enter, leave  # type: ignore[method-assign]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_kill_at_every_commit(born: Born, *, before: bool) -> None:
    expected = undisturbed(born)
    for number in itertools.count(1):
        life = born()
        with at_commit(number, Killed(), before=before) as seen, contextlib.suppress(Killed):
            life.step()
        life.recover()
        life.after()
        assert life.outcome() == expected, f"commit {number}"
        if seen[0] < number:
            break
    assert number > 1, "the step commits nothing"


LOST = OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_connection_lost_at_every_commit(born: Born, *, before: bool) -> None:
    """Behind the commit it is what nobody knows: the error says that it failed, and it did not."""
    expected = undisturbed(born)
    for number in itertools.count(1):
        life = born()
        with at_commit(number, LOST, before=before) as seen, contextlib.suppress(DatabaseError):
            life.step()
        life.clock.move(60)
        life.after()
        assert life.outcome() == expected, f"commit {number}"
        if seen[0] < number:
            break


# --- at every write ---------------------------------------------------------------------------------


ERRORS = {
    "deadlock": "deadlock detected",
    "unknown": "server closed the connection unexpectedly",
}


class Refusing:
    """Refuses the write of this number; one that is `unknown` was done all the same."""

    def __init__(self, number: int, error: str) -> None:
        self.left = number
        self.error = error

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        if is_write(sql):
            self.left -= 1
            if self.left == 0:
                if self.error == "unknown":
                    execute(sql, *rest)
                raise OperationalError(ERRORS[self.error])
        return execute(sql, *rest)


@pytest.mark.parametrize("error", ERRORS)
def test_a_database_that_refuses_a_write(born: Born, error: str) -> None:
    expected = undisturbed(born)
    for number in itertools.count(1):
        life = born()
        refusing = Refusing(number, error)
        with connection.execute_wrapper(refusing), contextlib.suppress(DatabaseError):
            life.step()
        life.clock.move(60)
        life.after()
        assert life.outcome() == expected, f"write {number}"
        if refusing.left > 0:
            break
    assert number > 1, "the step writes nothing"


# --- twice, and at other times ----------------------------------------------------------------------


def test_everything_is_done_twice(born: Born) -> None:
    """A message that comes twice, two workers, two sweepers: the second finds nothing to do."""
    expected = undisturbed(born)
    life = born()

    for _ in range(2):
        with contextlib.suppress(AionError):
            life.step()
        life.engine.tick()
    life.after()
    life.after()

    assert life.outcome() == expected


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps(born: Born, hours: int) -> None:
    expected = undisturbed(born)
    life = born()

    life.clock.move(hours * HOUR)
    life.step()
    life.engine.tick()
    life.clock.move(-hours * HOUR)
    life.clock.move(60)
    life.after()
    life.clock.move(HOUR)  # what was due by the wrong clock is late by as much
    life.after()

    assert life.outcome() == expected


# --- code and keys that are not there for a while ---------------------------------------------------


def test_code_that_is_not_there_for_a_while(born: Born, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rolled-back deploy, or a module that cannot be imported: neither workflow nor activity is known."""
    expected = undisturbed(born)
    life = born()

    with monkeypatch.context() as patch:
        patch.delitem(registry.workflows, "kit.Scripted")
        patch.delitem(registry.activities, "kit.act")
        life.engine.loop.turns.cache.clear()
        with contextlib.suppress(AionError):
            life.step()
        life.engine.turns()
        life.engine.act()
    life.engine.loop.turns.cache.clear()
    life.clock.move(60)
    life.after()

    assert life.outcome() == expected


def test_keys_that_are_not_there_for_a_while(born: Born, settings: Any) -> None:
    settings_with(settings, PAYLOAD_CODECS=("tests.support.codecs.new_key",))
    expected = undisturbed(born)
    life = born()

    settings_with(settings, PAYLOAD_CODECS=("tests.support.codecs.old_key",))
    life.engine.loop.turns.cache.clear()
    with contextlib.suppress(AionError):
        life.step()
    life.engine.turns()
    life.engine.act()
    settings_with(settings, PAYLOAD_CODECS=("tests.support.codecs.new_key",))
    life.engine.loop.turns.cache.clear()
    life.clock.move(60)
    life.after()

    assert life.outcome() == expected

"""Workflows written as a plain `def`: the same steps and the same history as with `await`."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from aion import ActivityError, ApplicationError, ChildWorkflowError, RetryPolicy, client, workflow
from aion.authoring.registry import registry
from aion.client import WorkflowHandle
from aion.core import events
from aion.core.errors import NotInWorkflow, UpdateFailed, UpdateRefused
from aion.core.history import Recorded
from aion.core.signatures import encode_arguments
from aion.models import Run
from aion_engine.replay.instance import Instance
from tests.language.worlds import Forgetful, failure_of, found, kinds, rest, status
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine, in_thread

pytestmark = pytest.mark.django_db

ONCE = RetryPolicy(maximum_attempts=1)


def work(name: str) -> Any:
    return kit.act.with_options(retry=ONCE).execute("work", name)


def begun(name: str) -> asyncio.Future[Any]:
    return kit.act.with_options(retry=ONCE).start("work", name)


@workflow.defn(name="plain.Child")
def child(number: int) -> int:
    workflow.sleep(5)
    if number < 0:
        raise ApplicationError("negative", type="Negative")
    return number * 2


@workflow.defn(name="plain.Both")
class Both:
    """Runs the part of a test's program that is asked for, in either form."""

    def __init__(self) -> None:
        self.notes: list[Any] = []
        self.program = ""

    @workflow.signal
    def note(self, value: Any) -> None:
        self.notes.append(value)

    @workflow.query
    def read(self) -> list[Any]:
        return self.notes


@workflow.defn(name="plain.Awaiting")
class Awaiting(Both):
    @workflow.run
    async def run(self, program: str) -> Any:
        return await AWAITING[program](self)


@workflow.defn(name="plain.Plain")
class Plain(Both):
    @workflow.run
    def run(self, program: str) -> Any:
        return PLAIN[program](self)


# --- the same programs twice -----------------------------------------------------------------------


async def steps_awaiting(_: Both) -> Any:
    found = [await work("one")]
    await workflow.sleep(dt.timedelta(days=3))
    found.append(await workflow.execute_activity(kit.act, "work", "two"))
    found.append(await work("three"))
    return found


def steps_plain(_: Both) -> Any:
    found = [work("one")]
    workflow.sleep(dt.timedelta(days=3))
    found.append(workflow.execute_activity(kit.act, "work", "two"))
    found.append(work("three"))
    return found


async def parallel_awaiting(_: Both) -> Any:
    many = await asyncio.gather(begun("one"), begun("two"))
    mapped = await workflow.map_concurrent(work, ["a", "b", "c"], limit=2)
    first = await workflow.race(workflow.Timer(3), begun("four"))
    return [many, mapped, first]


def parallel_plain(_: Both) -> Any:
    many = workflow.wait(asyncio.gather(begun("one"), begun("two")))
    mapped = workflow.map_concurrent(work, ["a", "b", "c"], limit=2)
    first = workflow.race(workflow.Timer(3), begun("four"))
    return [many, mapped, first]


async def message_awaiting(self: Both) -> Any:
    await workflow.wait_condition(lambda: self.notes, timeout=50)
    found = [await workflow.receive("parcel", timeout=50)]
    try:
        await workflow.receive("parcel", timeout=1)
    except TimeoutError:
        found.append("late")
    return [*found, *self.notes]


def message_plain(self: Both) -> Any:
    workflow.wait_condition(lambda: self.notes, timeout=50)
    found = [workflow.receive("parcel", timeout=50)]
    try:
        workflow.receive("parcel", timeout=1)
    except TimeoutError:
        found.append("late")
    return [*found, *self.notes]


async def children_awaiting(_: Both) -> Any:
    found = [await workflow.execute_child_workflow(child, 4, id="four")]
    handle = await workflow.start_child_workflow(child, -1, id="minus")
    try:
        await handle
    except ChildWorkflowError as error:
        found.append(str(error.cause))
    return found


def children_plain(_: Both) -> Any:
    found = [workflow.execute_child_workflow(child, 4, id="four")]
    handle: Any = workflow.start_child_workflow(child, -1, id="minus")
    try:
        workflow.wait(handle)
    except ChildWorkflowError as error:
        found.append(str(error.cause))
    return found


async def saga_awaiting(_: Both) -> Any:
    try:
        async with workflow.Saga() as saga:
            await work("book")
            saga.add(work, "unbook")
            await work("bad")
    except ActivityError:
        return "undone"


def saga_plain(_: Both) -> Any:
    try:
        with workflow.Saga() as saga:
            work("book")
            saga.add(work, "unbook")
            work("bad")
    except ActivityError:
        return "undone"


async def timeout_awaiting(_: Both) -> Any:
    try:
        await workflow.with_timeout(workflow.Timer(30), 10)
    except TimeoutError:
        return "late"


def timeout_plain(_: Both) -> Any:
    try:
        workflow.with_timeout(workflow.Timer(30), 10)
    except TimeoutError:
        return "late"


AWAITING: dict[str, Callable[..., Any]] = {
    name.removesuffix("_awaiting"): value
    for name, value in list(globals().items())
    if name.endswith("_awaiting")
}
PLAIN: dict[str, Callable[..., Any]] = {
    name.removesuffix("_plain"): value
    for name, value in list(globals().items())
    if name.endswith("_plain")
}


@pytest.fixture(autouse=True)
def done(acting: Any) -> list[str]:
    """What the activities have done."""
    seen: list[str] = []

    @acting
    def work(name: str) -> str:
        seen.append(name)
        if name.startswith("bad"):
            raise ApplicationError(name, type="Bad")
        return name

    return seen


def lived(engine: Engine, clock: StandingClock, kind: Any, program: str) -> WorkflowHandle:
    handle = client.start_workflow(kind, program, id=f"{kind.__name__}-{program}")
    engine.go()
    if program == "message":
        handle.signal("note", 7)
        handle.signal("parcel", "a book")
    rest(engine, clock)
    return handle


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("program", sorted(PLAIN))
def test_both_forms_have_the_same_history_and_result(
    engine: Engine, clock: StandingClock, program: str, forgets: bool
) -> None:
    engine = Forgetful() if forgets else engine

    awaiting = lived(engine, clock, Awaiting, program)
    plain = lived(engine, clock, Plain, program)

    assert status(plain.workflow_id) == "completed"
    assert plain.result(0) == awaiting.result(0)
    assert kinds(plain) == kinds(awaiting)


# --- what only plain code does ---------------------------------------------------------------------


def ran(engine: Engine, clock: StandingClock, program: Callable[..., Any]) -> WorkflowHandle:
    PLAIN["own"] = program
    handle = client.start_workflow(Plain, "own", id="own")
    engine.go()
    return handle


def twice(name: str) -> str:
    return str(work(name)) + str(work(name))


def test_plain_functions_run_beside_each_other(engine: Engine, clock: StandingClock) -> None:
    def program(_: Both) -> Any:
        beside = workflow.spawn(twice, "a")
        mapped = workflow.map_concurrent(lambda name: work(name) + "!", ["b", "c"], limit=2)
        return [workflow.wait(beside), mapped]

    handle = ran(engine, clock, program)

    assert handle.result(0) == ["aa", ["b!", "c!"]]


def test_a_plain_undo_may_wait(engine: Engine, clock: StandingClock, done: list[str]) -> None:
    def undo(name: str) -> None:
        work(name)
        workflow.sleep(1)
        work(name)

    def program(_: Both) -> None:
        with workflow.Saga() as saga:
            saga.add(undo, "unbook")
            raise ApplicationError("no", type="No")

    handle = ran(engine, clock, program)
    rest(engine, clock)

    assert failure_of(handle).type == "No"
    assert done == ["unbook", "unbook"]


def test_a_cancel_is_raised_where_it_waits_and_cleanup_may_wait(
    engine: Engine, clock: StandingClock, done: list[str]
) -> None:
    def program(_: Both) -> None:
        try:
            workflow.sleep(1000)
        finally:
            work("clean")

    handle = ran(engine, clock, program)
    handle.cancel("enough")
    rest(engine, clock)

    assert status("own") == "cancelled"
    assert done == ["clean"]


def test_the_stack_trace_names_the_line_that_waits(engine: Engine, clock: StandingClock) -> None:
    def inner() -> None:
        workflow.sleep(1000)  # here

    def program(_: Both) -> None:
        inner()

    handle = ran(engine, clock, program)
    trace = handle.query("__stack_trace")

    own = [line.strip() for line in trace.splitlines() if "test_plain.py" in line]
    assert [line.rpartition(".")[2] for line in own] == ["run", "program", "inner"]


def test_a_changed_program_is_found_with_its_line(engine: Engine, clock: StandingClock) -> None:
    def program(_: Both) -> None:
        work("one")
        workflow.sleep(1000)

    handle = ran(engine, clock, program)
    PLAIN["own"] = lambda _: workflow.execute_child_workflow(child, 1)
    engine.loop.turns.cache.clear()
    handle.signal("note", 1)
    engine.go()

    problem = handle.describe().problem
    assert problem is not None
    assert problem["type"] == "NonDeterminismError"
    assert "test_plain.py:" in problem["message"]


def test_a_dropped_instance_unwinds_and_cannot_act(engine: Engine, clock: StandingClock) -> None:
    left: list[str] = []

    def program(_: Both) -> None:
        try:
            workflow.sleep(1000)
        finally:
            left.append("unwound")
            work("never")

    handle = ran(engine, clock, program)
    before = kinds(handle)
    engine.loop.turns.cache.clear()

    assert left == ["unwound"]
    engine.go()
    assert kinds(handle) == before


def test_an_instance_of_another_thread_is_dropped_in_peace() -> None:
    """Greenlets belong to their thread; a worker that stops may drop instances in another."""
    start = events.WorkflowStarted(
        workflow_id="w",
        workflow_type="plain.Child",
        input=msgspec.Raw(encode_arguments((21,), {}, what="it")),
    )
    instance = Instance(registry.workflow("plain.Child"), "r")
    folded = in_thread(instance.apply, Recorded(1, START, start)).done()
    instance.close()

    assert [command.name for command in folded] == ["StartTimer"]


def test_an_error_leaves_with_its_lines(engine: Engine, clock: StandingClock) -> None:
    def program(_: Both) -> None:
        work("one")
        raise KeyError("odd")

    failure = found(ran(engine, clock, program), events.WorkflowFailed)[0].failure

    assert failure.type == "KeyError"
    assert "in program" in failure.traceback
    assert "plain_code" not in failure.traceback


def test_a_stop_iteration_is_an_error_and_no_result(engine: Engine, clock: StandingClock) -> None:
    def program(_: Both) -> None:
        raise StopIteration("odd")

    failure = found(ran(engine, clock, program), events.WorkflowFailed)[0].failure

    assert failure.type == "RuntimeError"
    assert "in program" in failure.cause.traceback


def test_a_query_reads_a_plain_workflow(engine: Engine, clock: StandingClock) -> None:
    handle = ran(engine, clock, lambda self: workflow.wait_condition(lambda: len(self.notes) > 1))
    handle.signal("note", 1)
    engine.go()

    assert handle.query(Both.read) == [1]
    engine.loop.turns.cache.clear()
    assert handle.query(Both.read) == [1]


def test_it_continues_as_new(engine: Engine, clock: StandingClock) -> None:
    def program(_: Both) -> Any:
        if workflow.info().continued_from_run_id is None:
            workflow.continue_as_new("own")
        return "second"

    assert ran(engine, clock, program).result(0) == "second"


def test_only_plain_code_waits_so(engine: Engine, clock: StandingClock) -> None:
    with pytest.raises(
        NotInWorkflow, match=r"workflow\.wait\(\) is for workflows written as a plain"
    ):
        workflow.wait(None)  # type: ignore[arg-type]
    with pytest.raises(NotInWorkflow, match=r"workflow\.spawn\(\) is for"):
        workflow.spawn(print)
    with pytest.raises(TypeError, match="async with"), workflow.Saga():
        pass


def test_code_that_does_not_yield_is_interrupted(clock: StandingClock, settings: Any) -> None:
    settings.AION = {**settings.AION, "YIELD_LIMIT": 0.2}

    def program(_: Both) -> None:
        while True:
            pass

    handle = ran(Engine(), clock, program)

    problem = handle.describe().problem
    assert problem is not None
    assert problem["type"] == "WorkflowInterrupted"


def test_the_database_is_out_of_reach(engine: Engine, clock: StandingClock) -> None:
    handle = ran(engine, clock, lambda _: Run.objects.count())

    problem = handle.describe().problem
    assert problem is not None
    assert problem["type"] == "ForbiddenInWorkflow"


# --- messages --------------------------------------------------------------------------------------


class Desk:
    """What both forms of the next workflow share."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.search = workflow.CancelScope()
        self.closed = False

    @workflow.query
    def read(self) -> list[str]:
        return self.log

    @workflow.signal
    def close(self) -> None:
        self.closed = True

    @workflow.signal
    def give_up(self) -> None:
        self.search.cancel()


@workflow.defn(name="plain.AwaitingDesk")
class AwaitingDesk(Desk):
    @workflow.run
    async def run(self) -> list[str]:
        with self.search:
            await workflow.receive("found")
        self.log.append(f"cancelled {self.search.cancelled}")
        await workflow.wait_condition(lambda: self.closed and workflow.all_handlers_finished())
        self.log.append(str(await workflow.execute_child_workflow(child, 4)))
        return self.log

    @workflow.signal
    async def serve(self, name: str) -> None:
        self.log.append(f"begin {name}")
        self.log.append(await work(name))

    @workflow.update
    async def ask(self, name: str) -> str:
        info = workflow.current_update_info()
        assert info is not None
        await workflow.sleep(3)
        return f"{info.name} {info.id} {await work(name)}"

    @ask.validator  # type: ignore[attr-defined]
    def check(self, name: str) -> None:
        if not name:
            raise ValueError("a name is missing")


@workflow.defn(name="plain.PlainDesk")
class PlainDesk(Desk):
    @workflow.run
    def run(self) -> list[str]:
        with self.search:
            workflow.receive("found")
        self.log.append(f"cancelled {self.search.cancelled}")
        workflow.wait_condition(lambda: self.closed and workflow.all_handlers_finished())
        self.log.append(str(workflow.execute_child_workflow(child, 4)))
        return self.log

    @workflow.signal
    def serve(self, name: str) -> None:
        self.log.append(f"begin {name}")
        self.log.append(work(name))

    @workflow.update
    def ask(self, name: str) -> str:
        info = workflow.current_update_info()
        assert info is not None
        workflow.sleep(3)
        return f"{info.name} {info.id} {work(name)}"

    @ask.validator  # type: ignore[attr-defined]
    def check(self, name: str) -> None:
        if not name:
            raise ValueError("a name is missing")


@pytest.mark.parametrize("forgets", [False, True], ids=["kept", "lost"])
def test_handlers_of_both_forms_have_the_same_history(
    engine: Engine, clock: StandingClock, forgets: bool
) -> None:
    engine = Forgetful() if forgets else engine
    lives = []
    for kind in (AwaitingDesk, PlainDesk):
        clock.at = START
        desk: Any = kind
        handle = client.start_workflow(desk)
        handle.signal("serve", "a")
        update = handle.start_update("ask", "b", id="u", wait_for="")
        refused = handle.start_update("ask", "", id="v", wait_for="")
        handle.signal("serve", "c")
        engine.go()
        handle.signal("give_up")
        handle.signal("close")
        engine.go()
        assert handle.query("read") == ["begin a", "begin c", "a", "c", "cancelled True"]
        rest(engine, clock)
        assert update.result(0) == "ask u b"
        with pytest.raises(UpdateRefused, match="a name is missing"):
            refused.result(0)
        lives.append((handle.result(0), kinds(handle)))

    assert lives[0] == lives[1]
    assert lives[0][0][-1] == "8"


def test_a_plain_handler_that_fails_or_continues_as_new(
    engine: Engine, clock: StandingClock
) -> None:
    def program(me: Both) -> Any:
        def swap(value: str) -> str:
            if work(value) == "bad":
                raise ApplicationError("no", type="No")
            workflow.continue_as_new("late")

        workflow.set_update_handler("swap", swap)
        workflow.receive("never")

    PLAIN["late"] = lambda _: "went on"
    handle = ran(engine, clock, program)
    failing = handle.start_update("swap", "bad", wait_for="")
    engine.go()
    with pytest.raises(UpdateFailed):
        failing.result(0)
    handle.start_update("swap", "good", wait_for="")
    engine.go()

    assert handle.result(0) == "went on"


def test_a_forgotten_await_in_a_signal_handler_is_said(engine: Engine, script: Any) -> None:
    async def nobody_awaits(_: Any) -> None: ...

    @script
    async def main(me: kit.Scripted) -> None:
        workflow.set_signal_handler("poke", lambda value: nobody_awaits(value))
        await workflow.receive("end")

    handle = engine.start("main")
    handle.signal("poke", 1)
    engine.go()

    problem = handle.describe().problem
    assert problem is not None
    assert "nobody_awaits, which nobody awaits" in problem["message"]

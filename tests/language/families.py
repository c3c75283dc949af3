"""Generated families of workflows, and the worlds they live in.

A program is JSON: nodes that a workflow interprets, which start children with programs of their own. A world
is a list of numbers, each of which picks one of the things that could happen next. What could happen depends
on the rows alone, so it is the same for a worker that forgets.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from aion import RetryPolicy, workflow
from aion.client import WorkflowHandle
from aion.core.pending import effective, group_ends
from aion.models import Run
from aion.operations.reopen import REOPENABLE
from aion.store import claims
from tests.language.worlds import rest
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

Node = list[Any]

RETRIED = RetryPolicy(maximum_attempts=2, jitter=0.0)
A_BREATH = dt.timedelta(seconds=5)


class Deliberate(Exception):
    """Raised by programs."""


@workflow.defn(name="families.Member")
class Member:
    """Interprets a program; its trace is its result, so that values are compared as well."""

    @workflow.init
    def __init__(self, program: Node, rounds: int = 1) -> None:
        self.trace: list[str] = []
        self.notes = 0
        self.rounds = rounds
        self.children = 0

    @workflow.run
    async def run(self, program: Node, rounds: int = 1) -> list[str]:
        await self.step(program)
        self.trace.append(f"{workflow.now().timestamp()} {workflow.uuid4() is not None}")
        return self.trace

    @workflow.signal
    def note(self) -> None:
        self.notes += 1

    @workflow.signal
    async def chore(self, name: str) -> None:
        self.trace.append(str(await kit.act.execute("work", name)))

    @workflow.update
    async def ask(self, number: int) -> int:
        if number % 2:
            await asyncio.sleep(number)
        if number % 3 == 0:
            raise Deliberate
        self.notes += 1
        return len(self.trace)

    @ask.validator  # type: ignore[attr-defined]
    def check(self, number: int) -> None:
        if number % 5 == 0:
            raise Deliberate

    @workflow.query
    def length(self) -> int:
        return len(self.trace)

    async def step(self, node: Node) -> None:
        kind, *rest = node
        await getattr(self, f"do_{kind}")(*rest)

    async def do_activity(self, name: str, cancellation: str, *, local: bool = False) -> None:
        options = {"cancellation_type": cancellation, "retry": RETRIED, "local": local}
        self.trace.append(await kit.act.with_options(**options).execute("work", name))

    async def do_local(self, name: str) -> None:
        await self.do_activity(name, "try", local=True)

    async def do_booking(self, local: bool) -> None:
        booking = kit.booking.with_options(retry=RETRIED, local=local)
        self.trace.append(await booking.execute("book", "a"))

    async def do_watched(self, name: str) -> None:
        watched = kit.act.with_options(retry=RETRIED, heartbeat_timeout=A_BREATH)
        self.trace.append(await watched.execute(name))

    async def do_queued(self, queue: str, key: str) -> None:
        queued = kit.act.with_options(retry=RETRIED, task_queue=queue, limit_key=key)
        self.trace.append(await queued.execute("work", "a"))

    async def do_forever(self) -> None:
        await workflow.wait_condition(lambda: False)

    async def do_sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.trace.append(f"slept {seconds}")

    async def do_note(self, seconds: float) -> None:
        try:
            await workflow.wait_condition(lambda: self.notes > 0, timeout=seconds)
        except TimeoutError:
            self.trace.append("no note")
        else:
            self.notes -= 1
            self.trace.append("note")

    async def do_receive(self, seconds: float) -> None:
        try:
            self.trace.append(f"mail {await workflow.receive('mail', timeout=seconds)}")
        except TimeoutError:
            self.trace.append("no mail")

    async def do_child(self, program: Node, policy: str, cancellation: str, retried: bool) -> None:
        self.children += 1
        number = self.children
        result = await workflow.execute_child_workflow(
            Member,
            program,
            id=f"{workflow.info().workflow_id}.{number}",
            parent_close_policy=policy,
            cancellation_type=cancellation,
            retry=RETRIED if retried else None,
        )
        self.trace.append(f"child {number}: {result}")

    async def do_tell(self, which: str, verb: str) -> None:
        me = workflow.info()
        ids = {
            "self": me.workflow_id,
            "parent": me.parent_workflow_id or "nobody",
            "nobody": "nobody",
        }
        other = workflow.get_external_workflow_handle(ids.get(which, f"{me.workflow_id}.{which}"))
        try:
            await (other.cancel(verb) if verb == "cancel" else other.signal(verb))
        except Exception as error:
            self.trace.append(f"not told: {getattr(error, 'type', type(error).__name__)}")
        else:
            self.trace.append("told")

    async def do_again(self) -> None:
        if self.rounds > 0:
            workflow.continue_as_new(["sequence", [["sleep", 1], ["note", 5]]], self.rounds - 1)

    async def do_show(self, name: str) -> None:
        workflow.upsert_search_attributes({name: len(self.trace)})
        if workflow.patched(name):
            workflow.upsert_memo({name: workflow.side_effect(lambda: "taken")})

    async def do_sequence(self, nodes: list[Node]) -> None:
        for node in nodes:
            await self.step(node)

    async def do_gather(self, nodes: list[Node]) -> None:
        results = await asyncio.gather(*map(self.step, nodes), return_exceptions=True)
        self.trace.append(str([type(result).__name__ for result in results]))

    async def do_race(self, nodes: list[Node]) -> None:
        await workflow.race(*map(self.step, nodes))

    async def do_map(self, nodes: list[Node]) -> None:
        await workflow.map_concurrent(self.step, nodes, limit=2)

    async def do_timeout(self, seconds: float, node: Node) -> None:
        try:
            await workflow.with_timeout(self.step(node), seconds)
        except TimeoutError:
            self.trace.append("late")

    async def do_try(self, node: Node, cleanup: Node) -> None:
        try:
            await self.step(node)
        except Exception as error:
            self.trace.append(f"{type(error).__name__} {type(error.__cause__).__name__}")
        finally:
            await self.step(cleanup)

    async def do_saga(self, node: Node, undo: Node) -> None:
        async with workflow.Saga() as saga:
            saga.add(self.step, undo)
            await self.step(node)

    async def do_raise(self) -> None:
        raise Deliberate


# --- programs -------------------------------------------------------------------------------------

_names = st.sampled_from(["a", "b", "bad"])
_seconds = st.sampled_from([0, 1, 5, 20])
_activities = st.tuples(st.just("activity"), _names, st.sampled_from(["try", "wait", "abandon"]))
_tells = st.tuples(
    st.just("tell"),
    st.sampled_from(["self", "parent", "1", "1", "2", "nobody"]),
    st.sampled_from(["note", "note", "mail", "cancel"]),
)
_leaves = st.one_of(
    _activities,
    st.tuples(st.just("local"), _names),
    st.tuples(st.sampled_from(["sleep", "note", "receive"]), _seconds),
    _tells,
    st.tuples(st.just("show"), _names),
    st.tuples(st.sampled_from(["again", "raise"])),
)


def _branches(nodes: Any) -> Any:
    several = st.lists(nodes, min_size=2, max_size=3)
    children = st.tuples(
        st.just("child"),
        nodes,
        st.sampled_from(["terminate", "abandon", "request_cancel"]),
        st.sampled_from(["wait", "wait_requested", "try", "abandon"]),
        st.booleans(),
    )
    return st.one_of(
        children,
        children,
        st.tuples(st.sampled_from(["sequence", "gather", "gather", "race", "map"]), several),
        st.tuples(st.just("timeout"), _seconds, nodes),
        st.tuples(st.sampled_from(["try", "saga"]), nodes, nodes),
    )


programs = st.lists(st.recursive(_leaves, _branches, max_leaves=5), min_size=2, max_size=4).map(
    lambda nodes: ("sequence", nodes)
)
worlds = st.lists(st.integers(0, 10_000), min_size=4, max_size=14)


# --- worlds ---------------------------------------------------------------------------------------


def live(engine: Engine, clock: StandingClock, program: Any, world: list[int]) -> None:
    """Let a family live in a world; then everything that is open gets its time."""

    _start(program)
    for number in world:
        clock.move(0.001)  # nothing begins twice at one moment
        possible = _possible(engine, clock)
        possible[number % len(possible)](number)
        if number % 3:
            engine.turn()
            if engine.loop.local.busy or engine.loop.local.outcome_count:
                engine.turns()
    for run in _open_runs():
        if run.status == "paused":
            WorkflowHandle(run.workflow_id, run.id).resume()
    rest(engine, clock, days=2)


def _start(program: Any) -> None:
    from aion import client

    client.start_workflow(Member, program, id="m")


def _open_runs() -> list[Run]:
    return list(Run.objects.filter(closed_at=None).order_by("workflow_id"))


def _possible(engine: Engine, clock: StandingClock) -> list[Callable[[int], Any]]:
    """What could happen next, each as a function of the number that picked it."""
    found: list[Callable[[int], Any]] = [lambda _: engine.turns(), lambda _: engine.act()]
    timer, attempt = claims.next_due()
    due = min((at for at in (timer, attempt) if at is not None), default=None)
    if due is not None:
        found += [lambda _: setattr(clock, "at", max(clock.at, due))] * 2
    for run in _open_runs():
        handle = WorkflowHandle(run.workflow_id, run.id)
        found += [
            lambda _, to=handle: to.signal("note"),
            lambda number, to=handle: to.signal("mail", number),
            lambda _, to=handle: to.signal("chore", "c"),
            lambda number, to=handle: to.start_update("ask", number, id=f"u{number}", wait_for=""),
            lambda _, to=handle: to.cancel("enough"),
            lambda _, to=handle, of=run: to.resume() if of.status == "paused" else to.pause(),
            lambda _, to=handle: to.query("length"),
        ]
        if run.workflow_id != "m":
            found.append(lambda _, to=handle: to.terminate("by chance"))
    for run in _newest_runs():
        handle = WorkflowHandle(run.workflow_id, run.id)
        found += [lambda number, to=handle: to.reset(_place(to, number))] * 2
        if run.status in REOPENABLE:
            found.append(lambda _, to=handle: to.reopen())
    return found


def _newest_runs() -> list[Run]:
    """The newest run of each workflow id."""
    newest = {
        run.workflow_id: run for run in Run.objects.order_by("started_at", "chain_position", "id")
    }
    return [newest[name] for name in sorted(newest)]


def _place(handle: WorkflowHandle, number: int) -> int:
    """One of the seqs that the history of a run may be cut at, its first event among them."""
    places = group_ends(effective(handle.fetch_history()))
    return places[number // 7 % len(places)]

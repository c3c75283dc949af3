"""Generated workflows: a small language of steps, one workflow that interprets it, and a random world.

A program is JSON, so it is the workflow's input. A world is a list of numbers: at each step one of what
could happen next is picked. The choice depends on history alone, so it is the same after a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from aion import workflow
from aion.authoring.options import CancellationType
from aion.core import events
from tests.support.driver import Driver, arguments

Node = list[Any]


class Deliberate(Exception):
    """Raised by programs."""


@workflow.defn(name="tests.Program")
class Program:
    """Interprets a program. The trace is its result, so that values are compared as well as commands."""

    def __init__(self) -> None:
        self.trace: list[str] = []
        self.signals: dict[str, int] = {}

    @workflow.run
    async def run(self, program: Node) -> list[str]:
        try:
            await self.step(program)
        except Deliberate:
            self.trace.append("deliberate")
        self.trace.append(str(workflow.now()))
        return self.trace

    @workflow.signal
    def ping(self, name: str) -> None:
        self.signals[name] = self.signals.get(name, 0) + 1

    @workflow.signal
    async def work(self, name: str) -> None:
        self.trace.append(str(await workflow.execute_activity(f"on-{name}")))

    @workflow.query
    def length(self) -> int:
        return len(self.trace)

    async def step(self, node: Node) -> None:
        kind, *rest = node
        await getattr(self, f"do_{kind}")(*rest)

    async def do_activity(self, name: str, cancellation: str) -> None:
        kind = CancellationType(cancellation)
        result = await workflow.execute_activity(name, cancellation_type=kind)
        self.trace.append(f"{name}={result}")

    async def do_local(self, name: str) -> None:
        self.trace.append(f"{name}={await workflow.execute_local_activity(name)}")

    async def do_sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.trace.append("slept")

    async def do_sequence(self, nodes: list[Node]) -> None:
        for node in nodes:
            await self.step(node)

    async def do_gather(self, nodes: list[Node]) -> None:
        results = await asyncio.gather(*map(self.step, nodes), return_exceptions=True)
        self.trace.append(str([type(result).__name__ for result in results]))

    async def do_group(self, nodes: list[Node]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for node in nodes:
                tasks.create_task(self.step(node))

    async def do_race(self, nodes: list[Node]) -> None:
        tasks = {asyncio.create_task(self.step(node), name=str(i)) for i, node in enumerate(nodes)}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self.trace.append(f"winner {[task.get_name() for task in done]}")
        for task in done:
            task.exception()

    async def do_as_completed(self, nodes: list[Node]) -> None:
        for each in asyncio.as_completed([self.step(node) for node in nodes], timeout=30):
            try:
                await each
            except Exception as error:
                self.trace.append(type(error).__name__)

    async def do_timeout(self, seconds: float, node: Node) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.step(node)
        except TimeoutError:
            self.trace.append("timeout")

    async def do_wait_for(self, seconds: float, node: Node) -> None:
        try:
            await asyncio.wait_for(self.step(node), seconds)
        except TimeoutError:
            self.trace.append("late")

    async def do_signal(self, name: str, seconds: float) -> None:
        try:
            await workflow.wait_condition(lambda: self.signals.get(name), timeout=seconds)
        except TimeoutError:
            self.trace.append(f"no {name}")
        else:
            self.signals[name] -= 1
            self.trace.append(name)

    async def do_try(self, node: Node, cleanup: Node) -> None:
        try:
            await self.step(node)
        except Exception as error:
            self.trace.append(type(error).__name__)
        finally:
            await self.step(cleanup)

    async def do_shield(self, node: Node) -> None:
        await asyncio.shield(asyncio.create_task(self.step(node)))

    async def do_cancel(self, seconds: float, node: Node) -> None:
        task = asyncio.create_task(self.step(node))
        await asyncio.sleep(seconds)
        task.cancel()
        self.trace.append(str(type((await asyncio.gather(task, return_exceptions=True))[0])))

    async def do_value(self, stream: str) -> None:
        taken = workflow.side_effect(lambda: "taken")
        drawn = workflow.random(stream).random()
        self.trace.append(f"{taken} {drawn} {workflow.uuid4()} {workflow.uuid7()}")

    async def do_raise(self) -> None:
        raise Deliberate


# --- programs -------------------------------------------------------------------------------------

_names = st.sampled_from("abc")
_seconds = st.sampled_from([0, 1, 5, 5, 20])
_leaves = st.one_of(
    st.tuples(st.just("activity"), _names, st.sampled_from(["try", "wait", "abandon"])),
    st.tuples(st.just("activity"), _names, st.just("try")),
    st.tuples(st.just("local"), _names),
    st.tuples(st.just("sleep"), _seconds),
    st.tuples(st.just("signal"), _names, _seconds),
    st.tuples(st.just("value"), _names),
    st.tuples(st.just("raise")),
)


def _branches(nodes: Any) -> Any:
    several = st.lists(nodes, min_size=2, max_size=4)
    lists = ["sequence", "sequence", "gather", "group", "race", "as_completed"]
    return st.one_of(
        st.tuples(st.sampled_from(lists), several),
        st.tuples(st.sampled_from(["timeout", "wait_for", "cancel"]), _seconds, nodes),
        st.tuples(st.just("try"), nodes, nodes),
        st.tuples(st.just("shield"), nodes),
    )


_nodes = st.recursive(_leaves, _branches, max_leaves=8)
programs = st.lists(_nodes, min_size=2, max_size=5).map(lambda nodes: ("sequence", nodes))


# --- worlds ---------------------------------------------------------------------------------------

worlds = st.lists(st.integers(0, 10_000), min_size=3, max_size=25)


def play(program: Any, world: list[int], *, crashing: bool = False) -> Driver:
    """Run a program in a world, to its end or until only we could wake it."""
    run = Driver(Program, program)
    run.start()
    for choice in _choices(world):
        if run.closed:
            break
        if crashing:
            run.crash()
        possible = _possible(run, outside=choice is not None)
        if not possible:
            break
        number = choice or 0
        picked = possible[number % len(possible)]
        batch = [*picked, *possible[number // 7 % len(possible)]] if number % 3 == 0 else picked
        fired = [e.timer_id for e in batch if isinstance(e, events.TimerFired)]
        run.now = max([run.now, *(run.timers[timer_id] for timer_id in fired)])
        run.arrive(*batch)
    if crashing:
        run.crash()
    return run


def _choices(world: list[int]) -> Iterator[int | None]:
    yield from world
    for _ in range(200):  # then everything that is open gets its outcome, in order
        yield None


def _possible(run: Driver, *, outside: bool) -> list[list[events.Event]]:
    """What could happen next, each as the arrivals it consists of."""
    found: list[list[events.Event]] = []
    for local, waiting in ((True, run.locals), (False, run.activities)):
        for activity_id, (name, _) in waiting.items():
            done = run.completion(activity_id, f"done {name}", local=local)
            found += [done, done]  # twice as likely
            if outside:
                found.append(run.failure(activity_id, ValueError("no"), local=local))
    for event in run.events:
        if isinstance(event, events.ActivityCancelRequested):
            cancelled = events.ActivityCancelled(activity_id=event.activity_id, reason="asked")
            found.append([cancelled])
    found = [batch for batch in found if run.instance.expects(batch[-1])]
    timers = run.timers
    if timers:
        found.append([events.TimerFired(timer_id=min(timers, key=lambda i: (timers[i], int(i))))])
    if outside:
        found += [
            [events.SignalReceived(name="ping", input=arguments(name))] for name in ("a", "b")
        ]
        found.append([events.SignalReceived(name="work", input=arguments("a"))])
        found.append([events.CancelRequested(reason="enough")])
    return found

"""Workflows and activities whose bodies the tests give.

A definition must stand at module level, where workers find it. So these stand here, and look up what to do
by name in `SCRIPTS` and `ACTS`, which the fixtures of `tests.support.fixtures` fill and empty. Replacing an
entry while a run is open is what a deploy of changed code is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from aion import ApplicationError, RetryPolicy, activity, workflow

SCRIPTS: dict[str, Callable[..., Awaitable[Any]]] = {}
ACTS: dict[str, Callable[..., Any]] = {}

PROMPT = RetryPolicy(maximum_attempts=3, jitter=0.0)


@workflow.defn(name="kit.Scripted")
class Scripted:
    """Runs a script with itself as the first argument; keeps what its signals bring."""

    def __init__(self) -> None:
        self.notes: list[Any] = []
        self.state: dict[str, Any] = {}

    @workflow.run
    async def run(self, script: str, *args: Any) -> Any:
        return await SCRIPTS[script](self, *args)

    @workflow.signal
    def note(self, value: Any) -> None:
        self.notes.append(value)

    @workflow.query
    def read(self) -> list[Any]:
        return self.notes

    @workflow.query
    def length(self) -> int:
        return len(self.notes)

    @workflow.query
    def broken(self) -> None:
        raise RuntimeError("this query is broken")

    @workflow.query
    def greedy(self) -> None:
        act.start("nothing")


@dataclasses.dataclass
class Greeting:
    text: str
    times: int


@workflow.defn(name="kit.greet")
async def greet(name: str, times: int = 1) -> Greeting:
    return Greeting(f"hello {name}", times)


@workflow.defn(name="kit.stubborn", retry=RetryPolicy(maximum_attempts=2))
async def stubborn() -> None:
    raise ApplicationError(f"attempt {workflow.info().attempt}")


@workflow.defn(name="kit.Waiting")
class Waiting:
    """Waits for `go`; knows nothing before that."""

    @workflow.init
    def __init__(self, want: int = 1) -> None:
        self.got: list[Any] = []

    @workflow.run
    async def run(self, want: int = 1) -> list[Any]:
        await workflow.wait_condition(lambda: len(self.got) >= want)
        return self.got

    @workflow.signal(name="go")
    def on_go(self, value: Any = None) -> None:
        self.got.append(value)

    @workflow.signal
    def count(self, number: int) -> None:
        self.got.append(number)

    @workflow.query
    def nth(self, number: int) -> Any:
        return self.got[number]

    @workflow.query(name="got")
    def read_got(self) -> list[Any]:
        return self.got

    def helper(self) -> None:
        """Not a handler."""


def _perform(name: str, args: tuple[Any, ...]) -> Any:
    return ACTS[name](*args)


@activity.defn(name="kit.act", retry=PROMPT)
def act(name: str, *args: Any) -> Any:
    return _perform(name, args)


@activity.defn(name="kit.booking", transactional=True, retry=PROMPT)
def booking(name: str, *args: Any) -> Any:
    return _perform(name, args)


@activity.defn(name="kit.aact", retry=PROMPT)
async def aact(name: str, *args: Any) -> Any:
    return await _perform(name, args)

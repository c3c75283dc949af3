"""Helpers for doing several things at once. Offered through `aion.workflow`.

They are built on asyncio's own tools, which are deterministic in a workflow: tasks run in the order of their
creation, and outcomes arrive in the order of history.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from aion.authoring.context import ContinueAsNew, require_workflow
from aion.authoring.plain import awaitable as _awaitable
from aion.authoring.plain import blocks, running, wait

T = TypeVar("T")
R = TypeVar("R")


@blocks
async def race(*awaitables: Awaitable[T]) -> T:
    """Give the first outcome, result or error, and cancel the others.

    Raises:
        ValueError: there is nothing to race.
    """
    if not awaitables:
        raise ValueError("race() needs at least one awaitable")
    tasks = [asyncio.ensure_future(each) for each in awaitables]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        first = next(task for task in tasks if task in done)
        return await first
    finally:
        await _cancel_all(tasks)


async def _cancel_all(tasks: Iterable[asyncio.Future[Any]]) -> None:
    unfinished = [task for task in tasks if not task.done()]
    for task in unfinished:
        task.cancel()
    await asyncio.gather(*unfinished, return_exceptions=True)


def map_concurrent(
    function: Callable[[T], Awaitable[R]], items: Iterable[T], *, limit: int
) -> Coroutine[Any, Any, list[R]]:
    """Call a function for each item, at most `limit` at a time, and give the results in the items' order.

    The first error cancels what runs, and is raised; what has not begun does not begin.

    Raises:
        ValueError: `limit` is not positive.
    """
    if limit < 1:
        raise ValueError(f"limit must be positive, not {limit}")
    return _map_concurrent(_awaitable(function), items, limit)


@blocks
async def _map_concurrent(
    function: Callable[[T], Awaitable[R]], items: Iterable[T], limit: int
) -> list[R]:
    waiting = list(enumerate(items))
    results: list[Any] = [None] * len(waiting)
    waiting.reverse()

    async def work() -> None:
        while waiting:
            index, item = waiting.pop()
            results[index] = await function(item)

    tasks = [asyncio.ensure_future(work()) for _ in range(min(limit, len(waiting)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        waiting.clear()
        await _cancel_all(tasks)
    return results


@blocks
async def with_timeout(awaitable: Awaitable[T], timeout: dt.timedelta | float) -> T:
    """Give an outcome that comes within a time, else cancel the work.

    Raises:
        TimeoutError: it did not come in time. An outcome that history has before the timer wins.
    """
    seconds = timeout.total_seconds() if isinstance(timeout, dt.timedelta) else timeout
    return await asyncio.wait_for(awaitable, seconds)


@blocks
async def sleep_until(moment: dt.datetime, *, summary: str = "") -> None:
    """Sleep on a durable timer until a moment; one that has passed only lets other tasks run.

    Raises:
        ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("sleep_until() needs an aware datetime: which zone is it in?")
    context = require_workflow("workflow.sleep_until()")
    await context.sleep((moment - context.now()).total_seconds(), summary)


class Saga:
    """Remembers how to undo what was done, and does so, last first, when the block fails.

    An undo that fails does not stop the others; its error is added to the block's error as a note. Undoing is
    shielded: a second cancel does not interrupt it.
    """

    def __init__(self) -> None:
        self._undos: list[Callable[[], Coroutine[Any, Any, Any]]] = []

    def add(self, undo: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any) -> None:
        """Remember how to undo a step: a function that gives a coroutine, with its arguments.

        In a workflow written as a plain `def` it may be a plain function as well.
        """
        undo = _awaitable(undo)
        self._undos.append(lambda: undo(*args, **kwargs))

    @blocks
    async def compensate(self) -> list[BaseException]:
        """Undo everything remembered, last first; give the errors of undos that failed."""
        errors: list[BaseException] = []
        while self._undos:
            undo = asyncio.ensure_future(self._undos.pop()())
            try:
                await asyncio.shield(undo)
            except asyncio.CancelledError:
                await asyncio.wait([undo])
            except Exception as error:  # noqa: BLE001  # the other undos must run whatever it is
                errors.append(error)
        return errors

    def __enter__(self) -> Self:
        if running() is None:
            raise TypeError("A coroutine writes `async with` for a Saga")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        wait(self.__aexit__(kind, error, traceback))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, (GeneratorExit, ContinueAsNew)):
            return
        for failed in await self.compensate():
            error.add_note(f"An undo failed as well: {type(failed).__name__}: {failed}")


class Timer:
    """A durable timer that can be cancelled: await it, or ask whether it has fired."""

    def __init__(self, duration: dt.timedelta | float, *, summary: str = "") -> None:
        seconds = duration.total_seconds() if isinstance(duration, dt.timedelta) else duration
        context = require_workflow("workflow.Timer()")
        self.summary = summary
        self._task = asyncio.create_task(
            context.sleep(seconds, summary), name=f"timer {summary}" if summary else None
        )

    def __await__(self) -> Any:
        return asyncio.shield(self._task).__await__()

    @property
    def fired(self) -> bool:
        """Whether its time has come."""
        return self._task.done() and not self._task.cancelled()

    def cancel(self) -> bool:
        """Take the timer back; False when it has fired or was cancelled before."""
        return self._task.cancel()

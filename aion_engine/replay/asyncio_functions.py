"""Functions of asyncio that would act differently from one process or Python version to the next.

`wait_for` was written anew in Python 3.12, and `as_completed` walks through a set of coroutines, whose
order follows memory addresses. On a workflow's loop these versions run instead; on every other loop the
original does.
"""

from __future__ import annotations

import asyncio
import functools
from asyncio import events as asyncio_events
from asyncio import tasks as asyncio_tasks
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final, Self

from aion_engine.replay.loop import WorkflowLoop


def _on_workflow_loop() -> bool:
    return isinstance(asyncio_events._get_running_loop(), WorkflowLoop)


# --- wait_for -------------------------------------------------------------------------------------


def _shadow_wait_for(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def wait_for(fut: Awaitable[Any], timeout: float | None) -> Any:
        if _on_workflow_loop():
            return await _wait_for(fut, timeout)
        return await original(fut, timeout)

    return wait_for


async def _wait_for(awaitable: Awaitable[Any], timeout: float | None) -> Any:
    if timeout is None:
        return await awaitable
    if timeout <= 0:
        return await _result_now(awaitable)
    async with asyncio.timeout(timeout):
        return await awaitable


async def _result_now(awaitable: Awaitable[Any]) -> Any:
    """Give the result that is there already, or cancel and raise TimeoutError."""
    future = asyncio.ensure_future(awaitable)
    if not future.done():
        future.cancel()
        await asyncio.wait([future])  # it may take its time to clean up, and may still succeed
    try:
        return future.result()
    except asyncio.CancelledError as error:
        raise TimeoutError from error


# --- as_completed ---------------------------------------------------------------------------------


def _shadow_as_completed(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def as_completed(fs: Iterable[Any], *, timeout: float | None = None) -> Any:
        if _on_workflow_loop():
            return _AsCompleted(fs, timeout)
        return original(fs, timeout=timeout)

    return as_completed


class _AsCompleted:
    """Gives what was given in the order of completion; tasks start in the order given.

    Plain iteration gives coroutines for the results, `async for` the tasks and futures themselves.
    """

    def __init__(self, awaitables: Iterable[Any], timeout: float | None) -> None:
        if asyncio.isfuture(awaitables) or asyncio.iscoroutine(awaitables):
            raise TypeError(f"expected an iterable of awaitables, not {type(awaitables).__name__}")
        futures = (asyncio.ensure_future(each) for each in dict.fromkeys(awaitables))
        self._open: dict[asyncio.Future[Any], None] = dict.fromkeys(futures)  # an ordered set
        self._left = len(self._open)
        self._ended: asyncio.Queue[asyncio.Future[Any] | None] = asyncio.Queue()
        self._timer: Any = None
        for future in self._open:
            future.add_done_callback(self._one_ended)
        if self._open and timeout is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(timeout, self._time_is_up)

    def _one_ended(self, future: asyncio.Future[Any]) -> None:
        if future not in self._open:
            return  # the time was up in the same moment
        del self._open[future]
        self._ended.put_nowait(future)
        if not self._open and self._timer is not None:
            self._timer.cancel()

    def _time_is_up(self) -> None:
        for future in self._open:
            future.remove_done_callback(self._one_ended)
            self._ended.put_nowait(None)
        self._open.clear()

    async def _next(self) -> asyncio.Future[Any]:
        future = await self._ended.get()
        if future is None:
            raise TimeoutError
        return future

    async def _next_result(self) -> Any:
        return (await self._next()).result()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Coroutine[Any, Any, Any]:
        if self._left == 0:
            raise StopIteration
        self._left -= 1
        return self._next_result()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> asyncio.Future[Any]:
        if self._left == 0:
            raise StopAsyncIteration
        self._left -= 1
        return await self._next()


SHADOWS: Final = (
    (asyncio, "wait_for", _shadow_wait_for),
    (asyncio_tasks, "wait_for", _shadow_wait_for),
    (asyncio, "as_completed", _shadow_as_completed),
    (asyncio_tasks, "as_completed", _shadow_as_completed),
)
"""Where each function is found, and what makes its shadow from the original."""

"""What a cancel reaches, and what it does not. Offered through `aion.workflow`.

A task is cancelled as a whole, wherever it waits. A *scope* is a block of it that can be cancelled alone;
what is *shielded* goes on to its end first. Both are made of asyncio's own cancels and their counting, so
that they nest with each other, with `asyncio.timeout` and with task groups, and replay like them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Any, Self, TypeVar

from aion.authoring.context import require_workflow
from aion.authoring.plain import blocks

T = TypeVar("T")


class CancelScope:
    """A block that `cancel` ends, and nothing around it: `with workflow.cancel_scope() as scope:`."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._before = 0  # cancels that the task had when the block began
        self._reason: str | None = None  # why to cancel; None as long as nobody wants to
        self._delivered = False
        self._soon: asyncio.Handle | None = None
        self._over = False
        self._cancelled = False

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody has cancelled the scope."""
        return self._reason is not None

    @property
    def cancelled(self) -> bool:
        """Whether the block ended because the scope was cancelled; known behind the block."""
        return self._cancelled

    def cancel(self, reason: str = "") -> bool:
        """End the block: `asyncio.CancelledError` is raised where it waits; False when it was too late.

        A scope that is cancelled before its block begins ends it where it first waits.
        """
        if self._over or self.cancel_requested:
            return False
        self._reason = reason
        if self._task is not None:
            self._deliver()
        return True

    def _deliver(self) -> None:
        if self._task is asyncio.current_task():
            # A task that cancelled itself would carry that out of a block that waits no more.
            self._soon = asyncio.get_running_loop().call_soon(self._interrupt)
        else:
            self._interrupt()

    def _interrupt(self) -> None:
        assert self._task is not None  # noqa: S101  # the block has begun
        self._delivered = True
        self._task.cancel(self._reason or None)

    def __enter__(self) -> Self:
        require_workflow("workflow.cancel_scope()")
        if self._task is not None:
            raise RuntimeError("A cancel scope is for one block: make another")
        self._task = asyncio.current_task()
        if self._task is None:
            raise RuntimeError("A cancel scope needs a task: use it in coroutines")
        self._before = self._task.cancelling()
        if self.cancel_requested:
            self._deliver()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        assert self._task is not None  # noqa: S101  # the block has begun
        self._over = True
        if self._soon is not None:
            self._soon.cancel()
        if self._delivered:
            # Another cancel, of the task or of a scope around this one, goes on outwards.
            alone = self._task.uncancel() <= self._before
            self._cancelled = alone and isinstance(error, asyncio.CancelledError)
        return self._cancelled


def cancel_scope() -> CancelScope:
    """Make a block that can be cancelled alone; what stands behind the block goes on.

    `with workflow.cancel_scope() as scope:`, also in a coroutine. Any task of the workflow, and any handler,
    may call `scope.cancel()`.
    """
    return CancelScope()


@blocks
async def shielded(awaitable: Awaitable[T]) -> T:
    """Let something go on to its end even if the code around it is cancelled, and give its result.

    A cancel is raised when the end has come, so that nothing that stands behind this runs. Unlike
    `asyncio.shield`, which stops waiting at once. An error of what is shielded is raised either way.
    """
    task = asyncio.ensure_future(awaitable)
    cancel: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancel = cancel or error
    if cancel is None or (not task.cancelled() and task.exception() is not None):
        return task.result()
    raise cancel

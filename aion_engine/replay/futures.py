"""Tasks and futures that hash by the order of their creation.

asyncio keeps tasks in sets and iterates over them (`TaskGroup` cancels its children so, `wait` returns
such sets). By default the order follows memory addresses and differs in every process. With the creation
ordinal as hash it is the same everywhere, and the standard library is deterministic as it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class WorkflowFuture(asyncio.Future[Any]):
    """A future of the workflow loop."""

    def __init__(self, *, loop: asyncio.AbstractEventLoop, ordinal: int) -> None:
        super().__init__(loop=loop)
        self.ordinal = ordinal

    def __hash__(self) -> int:
        return self.ordinal


class WorkflowTask(asyncio.Task[Any]):
    """A task of the workflow loop.

    It has no ordinal yet while the base class registers it in asyncio's set of all tasks of the process,
    and hashes by its address there. Otherwise the tasks of all instances in memory, which begin with the
    same ordinals, would collide in that set: 8,000 instances made each new task take 0.2 ms.
    """

    ordinal = 0

    def __init__(
        self, coro: Any, *, loop: asyncio.AbstractEventLoop, ordinal: int, **options: Any
    ) -> None:
        super().__init__(coro, loop=loop, **options)
        self.ordinal = ordinal

    def __hash__(self) -> int:
        return self.ordinal or object.__hash__(self)


class PendingResult(WorkflowFuture):
    """The future of something that the engine does outside: an activity, later a child.

    `on_cancel` is told when the code gives up waiting. It answers whether the future shall be cancelled
    now (True), or stay until the outcome comes (False: the code waits for the cancelled thing to end).
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        ordinal: int,
        on_cancel: Callable[[], bool],
    ) -> None:
        super().__init__(loop=loop, ordinal=ordinal)
        self._on_cancel = on_cancel

    def cancel(self, msg: Any | None = None) -> bool:
        """Give up waiting, in the way that the cancellation type says."""
        if self.done():
            return False
        return super().cancel(msg) if self._on_cancel() else True

    def settle_cancelled(self, msg: str | None = None) -> None:
        """End as cancelled because the outcome says so."""
        super().cancel(msg)

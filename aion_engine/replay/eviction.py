"""The end of an instance that is thrown away: its coroutines end here and now."""

from __future__ import annotations

from asyncio import tasks as asyncio_tasks
from typing import Any, Final

from aion_engine.replay.command_log import Evicted
from aion_engine.replay.loop import WorkflowLoop

_MOST_AWAITS_AT_CLOSE: Final = 100


def end_tasks(loop: WorkflowLoop) -> None:
    """End every task of a loop, in the order of creation. Their `finally` blocks cannot act any more."""
    for task in loop.tasks:
        if not task.done():
            task._log_destroy_pending = False
            _end_task(loop, task)
    loop.tasks.clear()
    loop.ready.clear()


def _end_task(loop: WorkflowLoop, task: Any) -> None:
    """End a task's coroutine by an exception, again where its `finally` blocks go on to wait.

    The coroutine's `close` would not do: where an inner one waits again, it ends the outer ones only.
    """
    asyncio_tasks._enter_task(loop, task)
    try:
        for _ in range(_MOST_AWAITS_AT_CLOSE):
            task.get_coro().throw(Evicted())
    except BaseException:  # noqa: BLE001, S110  # Evicted, or what the code made of it; it is over
        pass
    finally:
        asyncio_tasks._leave_task(loop, task)

"""Runs an activity's function alone, as a running attempt: no workflow, no database. Pure."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import inspect
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from aion.authoring.activity_definition import Activity
from aion.authoring.context import ActivityInfo, current_activity
from aion.core.errors import CancelledError
from aion_engine.runtime.interruption import Interruption


class ActivityEnvironment:
    """A running attempt for one function at a time.

    `info` is what `activity.info()` gives; keyword arguments change it. `heartbeats` collects what the code
    reports, and `on_heartbeat` is called with each. `cancel` tells the code to stop: from another thread, or
    from `on_heartbeat`.
    """

    def __init__(self, *, on_heartbeat: Callable[..., Any] | None = None, **info: Any) -> None:
        self.info = dataclasses.replace(_PLAIN, **info)
        self._named = "activity_type" in info
        self.heartbeats: list[tuple[Any, ...]] = []
        self.on_heartbeat = on_heartbeat
        self._context = _Context(self)
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Future[Any]] | None = None

    def run(self, activity: Any, *args: Any, **kwargs: Any) -> Any:
        """Call an activity, or a plain function, with these arguments; give its result, raise what it raises.

        An `async def` activity runs to its end on an event loop of its own.
        """
        function = _function(activity)
        if inspect.iscoroutinefunction(function):
            return asyncio.run(self.arun(activity, *args, **kwargs))
        return self._scope(activity).run(self._called(activity), *args, **kwargs)

    async def arun(self, activity: Any, *args: Any, **kwargs: Any) -> Any:
        """Do the same on the running event loop. A plain function runs in a thread."""
        function, scope = _function(activity), self._scope(activity)
        if not inspect.iscoroutinefunction(function):
            return await asyncio.to_thread(scope.run, self._called(activity), *args, **kwargs)
        loop = asyncio.get_running_loop()
        task = loop.create_task(function(*args, **kwargs), context=scope)
        self._running = (loop, task)
        try:
            if self._context.cancel_reason is not None:
                task.cancel(self._context.cancel_reason)
            return await task
        finally:
            self._running = None

    def _called(self, activity: Any) -> Callable[..., Any]:
        function = _function(activity)
        interruptible = isinstance(activity, Activity) and activity.interruptible
        return partial(self._context.interruption.run, function) if interruptible else function

    def _scope(self, activity: Any) -> contextvars.Context:
        if not self._named:
            name = activity.name if isinstance(activity, Activity) else activity.__name__
            self.info = dataclasses.replace(self.info, activity_type=name)
        scope = contextvars.copy_context()
        scope.run(current_activity.set, self._context)
        return scope

    def cancel(self, reason: str = "cancelled") -> None:
        """Tell the code to stop: `cancelled`, `paused`, `reset`, `timed out`, `shutdown` or `lost`."""
        self._context.stop(reason)
        if self._running is not None:
            loop, task = self._running
            loop.call_soon_threadsafe(task.cancel, reason)


class _Context:
    """What `aion.activity` asks."""

    def __init__(self, environment: ActivityEnvironment) -> None:
        self._environment = environment
        self._reason: str | None = None
        self._stop = threading.Event()
        self.interruption = Interruption()

    @property
    def info(self) -> ActivityInfo:
        return self._environment.info

    @property
    def cancel_reason(self) -> str | None:
        return self._reason

    def stop(self, reason: str) -> None:
        self._reason = reason
        self._stop.set()
        self.interruption.ask(reason)

    def shielded(self) -> AbstractContextManager[None]:
        return self.interruption

    def wait_for_cancel(self, timeout: float | None) -> bool:
        return self._stop.wait(timeout)

    def heartbeat(self, details: tuple[Any, ...]) -> None:
        self._environment.heartbeats.append(details)
        if self._environment.on_heartbeat is not None:
            self._environment.on_heartbeat(*details)
        if self._reason is not None:
            raise CancelledError(self._reason)


def _function(activity: Any) -> Callable[..., Any]:
    function: Callable[..., Any] = activity.function if isinstance(activity, Activity) else activity
    return function


_PLAIN = ActivityInfo(
    activity_id="1",
    activity_type="activity",
    attempt=1,
    workflow_id="test",
    run_id="00000000-0000-7000-8000-000000000000",
    workflow_type="test",
    task_queue="default",
)

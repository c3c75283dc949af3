"""The event loop of a workflow: an asyncio loop without I/O, whose time stands still.

Theory of operation
-------------------
The loop has one FIFO queue of ready callbacks and nothing else. It never waits: `drain` runs until the
queue is empty, then returns to the engine. What the code waits for (timers, activities, messages) becomes
ready only when the engine folds the event that says so.

* `time()` is the recorded time of the event being folded, as seconds since the epoch.
* `call_later` with a positive delay is a durable timer: the `timers` port starts it and hears when the
  handle is cancelled. Zero or less means "soon", as in asyncio, and leaves no trace.
* Tasks and futures get an ordinal and hash by it (see `futures`).
* Threads, executors, sockets and subprocesses do not exist here: each method raises an error that names
  what to use instead.

When the queue is empty the loop asks its *conditions* once, in the order they were registered. Those that
hold wake their waiters, who test again when they resume: two waiters for one token never both take it.
"""

from __future__ import annotations

import asyncio
import contextvars
from asyncio import events as asyncio_events
from asyncio import tasks as asyncio_tasks
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NoReturn, Protocol

from aion.core.errors import ForbiddenInWorkflow
from aion_engine.replay.futures import WorkflowFuture, WorkflowTask

_FEWEST_TASKS: Final = 32


class Handle:
    """A callback that waits in the queue. The part of asyncio's Handle that its own code uses."""

    __slots__ = ("args", "callback", "context", "is_cancelled")

    def __init__(
        self, callback: Callable[..., Any], args: tuple[Any, ...], context: contextvars.Context
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.is_cancelled = False

    def cancel(self) -> None:
        """Take the callback back."""
        self.is_cancelled = True

    def cancelled(self) -> bool:
        """Tell whether it was taken back."""
        return self.is_cancelled


class TimerHandle(Handle):
    """A callback that waits for a durable timer."""

    __slots__ = ("deadline", "on_cancel", "timer_id")

    def __init__(
        self,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: contextvars.Context,
        deadline: float,
    ) -> None:
        super().__init__(callback, args, context)
        self.deadline = deadline
        self.timer_id = ""
        self.on_cancel: Callable[[TimerHandle], None] | None = None

    def when(self) -> float:
        """Give the time it is due, in the loop's seconds."""
        return self.deadline

    def cancel(self) -> None:
        """Take the callback back; a running timer is cancelled."""
        if not self.is_cancelled:
            self.is_cancelled = True
            if self.on_cancel is not None:
                self.on_cancel(self)


class Timers(Protocol):
    """What the loop needs for durable timers."""

    def start_timer(self, handle: TimerHandle, summary: str) -> None:
        """Start a durable timer for the handle, and set its id and `on_cancel`."""


class TaskErrors(Protocol):
    """Who is told of tasks that fail."""

    def ended(self, task: Any) -> None:
        """Look at a task that is done, before those who await it wake."""

    def let_go(self, tasks: list[Any]) -> None:
        """Drop the tasks that failed in this drain and that nobody has awaited."""

    def unawaited(self, context: dict[str, Any]) -> None:
        """Take the error of a task or future that has gone without being asked."""


class WorkflowLoop(asyncio.AbstractEventLoop):
    """The deterministic event loop of one run."""

    def __init__(self, timers: Timers, errors: TaskErrors) -> None:
        self.ready: deque[Handle] = deque()
        self.conditions: list[tuple[Callable[[], object], WorkflowFuture]] = []
        self.tasks: list[Any] = []  # of WorkflowTask; Any for the private attributes
        self.now = 0.0
        self.stopped = False  # set to leave a drain at once: an error, an interruption
        self._timers = timers
        self._errors = errors
        self._plain = contextvars.Context()  # for callbacks that need none
        self._ordinal = 0
        self._live_count = (
            _FEWEST_TASKS  # tasks are swept when they have doubled: constant cost each
        )

    # --- running ---

    def drain(self) -> None:
        """Run until nothing is ready and no condition holds."""
        self.run_inside(self._drain)

    def run_inside(self, function: Callable[[], None]) -> None:
        """Call a function for which this is the running loop."""
        outer = asyncio_events._get_running_loop()
        asyncio_events._set_running_loop(self)
        try:
            function()
        finally:
            asyncio_events._set_running_loop(outer)

    def _drain(self) -> None:
        ready = self.ready
        while not self.stopped:
            while ready:
                handle = ready.popleft()
                if not handle.is_cancelled:
                    handle.context.run(handle.callback, *handle.args)
                    if self.stopped:
                        return
            if not self.conditions or not self._release_conditions():
                self._errors.let_go(self.tasks)
                return

    def _release_conditions(self) -> bool:
        released = False
        waiting = []
        for predicate, future in self.conditions:
            if future.done():
                continue
            if predicate():
                future.set_result(None)
                released = True
            else:
                waiting.append((predicate, future))
        self.conditions = waiting
        return released

    # --- what asyncio calls ---

    def next_ordinal(self) -> int:
        """Give the next creation ordinal."""
        self._ordinal += 1
        return self._ordinal

    def time(self) -> float:
        """Give the time of the event being folded, in seconds since the epoch."""
        return self.now

    def call_soon(  # type: ignore[override]  # typeshed's callbacks are generic in their arguments
        self,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Any:
        """Put a callback into the queue."""
        handle = Handle(callback, args, context or contextvars.copy_context())
        self.ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]  # as above
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
        summary: str = "",
    ) -> Any:
        """Start a durable timer of `delay` seconds; zero or less is `call_soon`."""
        if delay <= 0:
            return self.call_soon(callback, *args, context=context)
        handle = TimerHandle(
            callback, args, context or contextvars.copy_context(), self.now + delay
        )
        self._timers.start_timer(handle, summary)
        return handle

    def call_at(  # type: ignore[override]  # as above
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Any:
        """Start a durable timer for a time of this loop."""
        return self.call_later(when - self.now, callback, *args, context=context)

    def create_future(self) -> WorkflowFuture:
        """Make a future that hashes by its ordinal."""
        return WorkflowFuture(loop=self, ordinal=self.next_ordinal())

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        watched: bool = True,
        **options: Any,
    ) -> Any:
        """Make a task that hashes by its ordinal; the loop keeps it alive until it is done.

        The errors of a `watched` one are noted when nobody awaits it.
        """
        options.pop("eager_start", None)  # newer Pythons offer it; order must not depend on it
        task = WorkflowTask(
            coro,
            loop=self,
            ordinal=self.next_ordinal(),
            name=name or f"task-{self._ordinal}",
            context=context,
        )
        if watched:
            task.add_done_callback(self._errors.ended, context=self._plain)
        self.tasks.append(task)
        if len(self.tasks) > 2 * self._live_count:
            self.tasks = [task for task in self.tasks if not task.done()]
            self._live_count = max(len(self.tasks), _FEWEST_TASKS)
        return task

    def step_last(self, task: Any) -> None:
        """Run the first step of the task that was made last at once, also from inside of another task."""
        handle = self.ready.pop()
        outer = asyncio_tasks.current_task(self)
        if outer is not None:
            asyncio_tasks._leave_task(self, outer)
        try:
            handle.context.run(handle.callback, *handle.args)
        finally:
            if outer is not None:
                asyncio_tasks._enter_task(self, outer)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Hand an error that nobody awaited to the engine."""
        self._errors.unawaited(context)

    def get_debug(self) -> bool:
        """Debug mode would change what asyncio does; it is always off."""
        return False

    def is_running(self) -> bool:
        """Tell whether code of this loop is running."""
        return asyncio_events._get_running_loop() is self

    def is_closed(self) -> bool:
        """The loop is dropped, never closed."""
        return False


# --- what does not exist here ---------------------------------------------------------------------

_OUTSIDE: Final = {
    "run_in_executor": ("start a thread", "an activity"),
    "call_soon_threadsafe": ("be called from another thread", "a signal"),
    "create_connection": ("open a connection", "an activity"),
    "create_datagram_endpoint": ("open a socket", "an activity"),
    "create_server": ("open a server", "an activity"),
    "getaddrinfo": ("look up a host", "an activity"),
    "getnameinfo": ("look up a host", "an activity"),
    "subprocess_exec": ("start a process", "an activity"),
    "subprocess_shell": ("start a process", "an activity"),
}


def _refusal(name: str) -> Callable[..., NoReturn]:
    what, instead = _OUTSIDE.get(name, (f"call {name}() of its event loop", "an activity"))

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise ForbiddenInWorkflow(f"Workflow code cannot {what}: use {instead} instead")

    refuse.__name__ = name
    return refuse


for _name, _method in vars(asyncio.AbstractEventLoop).items():
    if not _name.startswith("_") and callable(_method) and _name not in vars(WorkflowLoop):
        setattr(WorkflowLoop, _name, _refusal(_name))

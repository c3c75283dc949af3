"""A running attempt: what the activity's code may ask of it, and how the code is called."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from aion.authoring.activity_definition import Activity
from aion.authoring.context import ActivityInfo, current_activity
from aion.authoring.interception import chains
from aion.authoring.interceptor_inputs import ExecuteActivityInput, HeartbeatInput
from aion.core.errors import CancelledError
from aion.core.payloads import encode
from aion.operations.clock import clock
from aion_engine.runtime.hygiene import in_transactions, renew_connections
from aion_engine.runtime.interruption import Interruption


class AttemptContext:
    """The engine's side of `aion.activity` for one attempt.

    `beat` records a heartbeat and gives the reason to stop, if any; None for attempts without heartbeats.
    Beats are throttled to a fraction of the heartbeat timeout, and at least to `_FEWEST_SECONDS`; the last
    details that were held back are written by `flush`.
    """

    def __init__(self, info: ActivityInfo, beat: Callable[[str], str | None] | None = None) -> None:
        self._info = info
        self._beat = beat
        self._stop = threading.Event()
        self._reason: str | None = None
        self._pause = _pause_between_beats(info)
        self._last_beat = float("-inf")
        self._last_sign = info.started_at  # of life, as the row has it
        self._held_back: str | None = None
        self.interruption = Interruption()

    @property
    def info(self) -> ActivityInfo:
        """Describe the attempt."""
        return self._info

    @property
    def cancel_reason(self) -> str | None:
        """Why the attempt should stop."""
        return self._reason

    def stop(self, reason: str) -> None:
        """Tell the attempt to stop. The first reason stays, unless it was weaker: see `_WEAK`."""
        if reason == "lost" and self._is_over_time():
            reason = "timed out"
        if self._reason is None or (self._reason in _WEAK and reason not in _WEAK):
            self._reason = reason
            self._stop.set()
            self.interruption.ask(reason)

    def _is_over_time(self) -> bool:
        """Tell whether a deadline of its own has taken the attempt's row away."""
        info, now = self._info, clock.now()
        deadlines = (
            (info.started_at, info.start_to_close_timeout),
            (info.scheduled_at, info.schedule_to_close_timeout),
            (self._last_sign, info.heartbeat_timeout),
        )
        return any(since and limit and now >= since + limit for since, limit in deadlines)

    def wait_for_cancel(self, timeout: float | None) -> bool:
        """Block until the attempt should stop."""
        return self._stop.wait(timeout)

    def shielded(self) -> AbstractContextManager[None]:
        """Keep the function from being interrupted in a block."""
        return self.interruption

    def heartbeat(self, details: tuple[Any, ...]) -> None:
        """Report life; raises `CancelledError` when the attempt should stop."""
        chain = chains().heartbeat
        with self.interruption:  # it may write to the database
            if chain is None:
                self._heartbeat(details)
            else:
                chain(HeartbeatInput(details=details), lambda input: self._heartbeat(input.details))

    def _heartbeat(self, details: tuple[Any, ...]) -> None:
        if self._beat is not None:
            self._held_back = encode(list(details), field="the heartbeat details").decode()
            if time.monotonic() - self._last_beat >= self._pause:
                self.flush()
        if self._reason is not None:
            raise CancelledError(self._reason)

    def flush(self) -> None:
        """Write the details that were held back."""
        if self._beat is None or self._held_back is None:
            return
        self._last_beat = time.monotonic()
        self._last_sign = clock.now()
        details, self._held_back = self._held_back, None
        reason = self._beat(details)
        if reason is not None:
            self.stop(reason)


_WEAK = (
    "paused",
    "reset",
)  # wishes of an operator; what the workflow or the worker says outranks them
_FEWEST_SECONDS = 0.1
_MOST_SECONDS = 30.0
_FRACTION = 0.4  # of the heartbeat timeout: one lost beat does not end the attempt


def _pause_between_beats(info: ActivityInfo) -> float:
    if info.heartbeat_timeout is None:
        return 1.0  # details are worth keeping even where no timeout watches
    seconds = info.heartbeat_timeout.total_seconds() * _FRACTION
    return min(max(seconds, _FEWEST_SECONDS), _MOST_SECONDS)


def call(activity: Activity[Any, Any], data: Any, context: AttemptContext, *, what: str) -> Any:
    """Run the activity's function with decoded arguments, as this attempt; gives its result.

    A coroutine function runs to its end on an event loop of its own, in this thread. Raises what the
    function raises.
    """
    args, kwargs = activity.signature.decode(data, what=what)
    scope = contextvars.copy_context()
    scope.run(current_activity.set, context)
    return scope.run(intercepted, context, _called(activity, context), args, kwargs)


def _called(activity: Activity[Any, Any], context: AttemptContext) -> Callable[..., Any]:
    """Give what is called with the arguments, in the way that suits the function."""
    if activity.is_async:
        return partial(_to_its_end, activity.function, context)
    if activity.interruptible:
        return partial(_until_interrupted, activity.function, context)
    return activity.function


def _until_interrupted(
    function: Callable[..., Any], context: AttemptContext, /, *args: Any, **kwargs: Any
) -> Any:
    entered = in_transactions()  # not the function's own
    try:
        return context.interruption.run(function, *args, **kwargs)
    finally:
        if context.interruption.has_arrived:
            renew_connections(but=entered)


def intercepted(
    context: AttemptContext, function: Callable[..., Any], args: Any, kwargs: Any
) -> Any:
    """Call what is the activity, through the interceptors there are."""
    chain = chains().execute_activity
    if chain is None:
        return function(*args, **kwargs)
    info = context.info
    input = ExecuteActivityInput(
        activity_type=info.activity_type, args=tuple(args), kwargs=kwargs, headers=info.headers
    )
    return chain(input, lambda input: function(*input.args, **input.kwargs))


def _to_its_end(
    function: Callable[..., Any], context: AttemptContext, /, *args: Any, **kwargs: Any
) -> Any:
    return asyncio.run(_watched(function, args, kwargs, context))


async def _watched(
    function: Callable[..., Any], args: Any, kwargs: Any, context: AttemptContext
) -> Any:
    """Run a coroutine activity, and cancel it when the attempt should stop."""
    main = asyncio.ensure_future(function(*args, **kwargs))
    loop = asyncio.get_running_loop()

    def watch() -> None:
        if context.cancel_reason is not None:
            main.cancel(context.cancel_reason)
        elif not main.done():
            loop.call_later(_FEWEST_SECONDS, watch)

    watch()
    return await main

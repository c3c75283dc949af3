"""The activity author's namespace: `from aion import activity`."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, NoReturn, ParamSpec, Protocol, TypeVar, overload

from aion.authoring.activity_definition import Activity
from aion.authoring.context import (
    ActivityInfo,
    CancellationDetails,
    current_activity,
    require_activity,
)
from aion.authoring.options import ActivityOptions, CancellationType
from aion.authoring.registry import registry

__all__ = [
    "Activity",
    "ActivityInfo",
    "ActivityOptions",
    "CancellationDetails",
    "CancellationType",
    "cancel_reason",
    "cancellation_details",
    "celery_task",
    "defn",
    "heartbeat",
    "in_activity",
    "info",
    "is_cancelled",
    "logger",
    "raise_complete_async",
    "shielded",
    "wait_for_cancelled",
]

P = ParamSpec("P")
R = TypeVar("R")


class CompleteAsync(BaseException):
    """Leaves an activity whose outcome will come later, by its token. Never caught by `except Exception`."""


class _Decorator(Protocol):
    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> Activity[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Activity[P, R]: ...


@overload
def defn(function: Callable[P, Awaitable[R]], /) -> Activity[P, R]: ...
@overload
def defn(function: Callable[P, R], /) -> Activity[P, R]: ...
@overload
def defn(
    *,
    name: str | None = None,
    transactional: bool = False,
    interruptible: bool = False,
    **options: Any,
) -> _Decorator: ...
def defn(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    transactional: bool = False,
    interruptible: bool = False,
    **options: Any,
) -> Any:
    """Make a function an activity: something with effects, run at least once, its outcome recorded once.

    `name` is the type name in histories and defaults to the function's; keep it when you rename the
    function. A `transactional` activity's own database writes commit together with its outcome, so they
    happen exactly once. An `interruptible` one is stopped by `asyncio.CancelledError` in whatever line it is
    when it should stop; `shielded()` keeps a part of it whole. The other keyword arguments are
    `ActivityOptions`.
    """

    def decorate(function: Callable[..., Any]) -> Activity[Any, Any]:
        definition: Activity[Any, Any] = Activity(
            function,
            name=name or function.__name__,
            options=ActivityOptions().override(**options),
            transactional=transactional,
            interruptible=interruptible,
            problems=_problems(function, transactional, interruptible),
        )
        registry.add_activity(definition)
        return definition

    return decorate(function) if function is not None else decorate


def _problems(
    function: Callable[..., Any], transactional: bool, interruptible: bool
) -> tuple[str, ...]:
    found = []
    if "<locals>" in function.__qualname__:
        found.append(
            "is defined inside a function, where workers cannot find it; move it to module level"
        )
    if transactional and inspect.iscoroutinefunction(function):
        found.append("is transactional and async; transactions need a plain `def`")
    if interruptible and inspect.iscoroutinefunction(function):
        found.append("is interruptible and async; coroutines are cancelled by asyncio already")
    if transactional and interruptible:
        found.append("is transactional and interruptible; a transaction must be left whole")
    return tuple(found)


def celery_task(task: Any, /, **options: Any) -> Activity[Any, Any]:
    """Make an existing Celery task an activity, by reference. It keeps its queue, routing and limits.

    `task` is the task (or what `shared_task` gave). Its positional and keyword arguments travel as
    JSON; its result must have a JSON form.
    """
    function: Callable[..., Any] = task.run
    definition: Activity[Any, Any] = Activity(
        function,
        name=f"celery:{task.name}",
        options=ActivityOptions().override(**options),
        celery_task=task.name,
    )
    registry.add_activity(definition)
    return definition


def in_activity() -> bool:
    """Tell whether an activity attempt is running here."""
    return current_activity.get() is not None


def info() -> ActivityInfo:
    """Describe the running attempt.

    Raises:
        NotInActivity: no activity is running here.
    """
    return require_activity("activity.info()").info


def heartbeat(*details: Any) -> None:
    """Say that the attempt is alive, with progress that the next attempt finds in `info().heartbeat_details`.

    Throttled: call it as often as you like.

    Raises:
        asyncio.CancelledError: the attempt should stop (cancelled, paused, or its lease was lost).
        PayloadError: a detail has no JSON form.
    """
    require_activity("activity.heartbeat()").heartbeat(details)


def is_cancelled() -> bool:
    """Tell whether the attempt should stop."""
    return require_activity("activity.is_cancelled()").cancel_reason is not None


def cancel_reason() -> str | None:
    """Say why the attempt should stop, None when it should not.

    One of `cancelled`, `paused`, `reset`, `timed out`, `shutdown`, `lost`.
    """
    return require_activity("activity.cancel_reason()").cancel_reason


def cancellation_details() -> CancellationDetails | None:
    """Say the same as flags, None when the attempt should not stop."""
    reason = require_activity("activity.cancellation_details()").cancel_reason
    return None if reason is None else CancellationDetails.of(reason)


def wait_for_cancelled(timeout: float | None = None) -> bool:
    """Block until the attempt should stop, at most `timeout` seconds; tell whether it should."""
    return require_activity("activity.wait_for_cancelled()").wait_for_cancel(timeout)


def shielded() -> AbstractContextManager[None]:
    """Keep an interruptible activity from being interrupted in a `with` block; it stops behind the block."""
    return require_activity("activity.shielded()").shielded()


def raise_complete_async() -> NoReturn:
    """Leave the activity open: its outcome will come through the client, by `info().task_token`."""
    require_activity("activity.raise_complete_async()")
    raise CompleteAsync


class _Logger(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, Any]:
        context = current_activity.get()
        if context is not None:
            about = context.info
            kwargs["extra"] = {
                "workflow_id": about.workflow_id,
                "run_id": about.run_id,
                "workflow_type": about.workflow_type,
                "activity_id": about.activity_id,
                "activity_type": about.activity_type,
                "attempt": about.attempt,
                **(kwargs.get("extra") or {}),
            }
        return msg, kwargs


logger = _Logger(logging.getLogger("aion.activity"), {})
"""A logger that adds the ids of the running attempt to each record."""

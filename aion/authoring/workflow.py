"""The workflow author's namespace: `from aion import workflow`."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random as stdlib_random
import uuid
from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar, cast, overload

from aion.authoring import workflow_definition as definitions
from aion.authoring.activity_definition import Activity
from aion.authoring.context import (
    ActivityCall,
    WorkflowInfo,
    current_workflow,
    require_workflow,
    user_site,
)
from aion.authoring.options import ActivityOptions, CancellationType
from aion.authoring.registry import registry
from aion.core.signatures import decode_any, encode_arguments

__all__ = [
    "CancellationType",
    "WorkflowInfo",
    "cancel_reason",
    "defn",
    "execute_activity",
    "execute_local_activity",
    "in_workflow",
    "info",
    "init",
    "is_replaying",
    "logger",
    "now",
    "query",
    "random",
    "run",
    "side_effect",
    "signal",
    "sleep",
    "start_activity",
    "start_local_activity",
    "time",
    "uuid4",
    "uuid7",
    "wait_condition",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


# --- definitions ----------------------------------------------------------------------------------


@overload
def defn(target: T, /) -> T: ...
@overload
def defn(
    *, name: str | None = None, hold_on: tuple[type[BaseException], ...] = ()
) -> Callable[[T], T]: ...
def defn(
    target: Any = None,
    /,
    *,
    name: str | None = None,
    hold_on: tuple[type[BaseException], ...] = (),
) -> Any:
    """Make a class with an `async` run method, or an `async def` function, a workflow.

    `name` is the type name in histories and defaults to the class's or function's; keep it when you
    rename the code. An exception of a type in `hold_on` does not fail the run: it is held, with its
    problem shown, and goes on once the code is fixed.
    """

    def decorate(target: Any) -> Any:
        definition = definitions.WorkflowDefinition(
            target, name=name or target.__name__, hold_on=tuple(hold_on)
        )
        setattr(target, definitions.DEFINITION_MARK, definition)
        registry.add_workflow(definition)
        return target

    return decorate(target) if target is not None else decorate


def run(function: F) -> F:
    """Mark the method that is the workflow: one for each class, `async def`."""
    setattr(function, definitions.RUN_MARK, True)
    return function


def init(function: F) -> F:
    """Mark `__init__` to receive the input of `run`, so that handlers never see a half-built object."""
    setattr(function, definitions.INIT_MARK, True)
    return function


@overload
def signal(function: F, /) -> F: ...
@overload
def signal(*, name: str | None = None) -> Callable[[F], F]: ...
def signal(function: Any = None, /, *, name: str | None = None) -> Any:
    """Mark a method, plain or `async`, that takes a signal; `name` defaults to the method's."""
    return _mark(definitions.SIGNAL_MARK, function, name)


@overload
def query(function: F, /) -> F: ...
@overload
def query(*, name: str | None = None) -> Callable[[F], F]: ...
def query(function: Any = None, /, *, name: str | None = None) -> Any:
    """Mark a plain method that answers a query; it may read anything and change nothing."""
    return _mark(definitions.QUERY_MARK, function, name)


def _mark(mark: str, function: Any, name: str | None) -> Any:
    def decorate(function: Any) -> Any:
        setattr(function, mark, name or function.__name__)
        return function

    return decorate(function) if function is not None else decorate


# --- activities -----------------------------------------------------------------------------------


def start_activity(
    activity: Activity[Any, Any] | str,
    *args: Any,
    kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> asyncio.Future[Any]:
    """Ask for an activity, by reference or by type name, and give a future of its result.

    Keyword arguments for the function go into `kwargs`; all others are `ActivityOptions`.

    Raises:
        TypeError: an option is unknown, or the arguments do not fit the function.
        PayloadError: an argument has no JSON form or is too large.
    """
    if isinstance(activity, Activity):
        bound = activity.with_options(**options) if options else activity
        return bound._start(args, kwargs or {}, user_site(2), bound.options)
    if not isinstance(activity, str):
        raise TypeError(
            f"Expected an activity or its type name, not {activity!r}; is it decorated?"
        )
    what = f"activity {activity}"
    call = ActivityCall(
        activity,
        encode_arguments(args, kwargs or {}, what=what),
        ActivityOptions().override(**options),
        decode_any,
    )
    return require_workflow("workflow.start_activity()").start_activity(call, user_site(2))


async def execute_activity(
    activity: Activity[Any, Any] | str,
    *args: Any,
    kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Run an activity, by reference or by type name, and give its result (see `start_activity`)."""
    return await start_activity(activity, *args, kwargs=kwargs, **options)


def start_local_activity(
    activity: Activity[Any, Any] | str, *args: Any, **options: Any
) -> asyncio.Future[Any]:
    """Ask for an activity that runs inside the worker that took the turn (see `start_activity`)."""
    return start_activity(activity, *args, **{**options, "local": True})


async def execute_local_activity(
    activity: Activity[Any, Any] | str, *args: Any, **options: Any
) -> Any:
    """Run an activity inside the worker that took the turn and give its result."""
    return await start_local_activity(activity, *args, **options)


# --- waiting --------------------------------------------------------------------------------------


async def wait_condition(
    predicate: Callable[[], object],
    *,
    timeout: dt.timedelta | float | None = None,
    timeout_summary: str = "",
) -> None:
    """Wait until `predicate()` is true. It is tested after each event, and again before you go on.

    Raises:
        TimeoutError: it was not true within `timeout` (timedelta or seconds); 0 means test once.
    """
    seconds = _seconds(timeout) if timeout is not None else None
    context = require_workflow("workflow.wait_condition()")
    await context.wait_condition(predicate, seconds, timeout_summary)


async def sleep(duration: dt.timedelta | float, *, summary: str = "") -> None:
    """Sleep on a durable timer, for a timedelta or seconds; zero or less only lets other tasks run."""
    await require_workflow("workflow.sleep()").sleep(_seconds(duration), summary)


def _seconds(duration: dt.timedelta | float) -> float:
    return duration.total_seconds() if isinstance(duration, dt.timedelta) else float(duration)


# --- the deterministic world ----------------------------------------------------------------------


def in_workflow() -> bool:
    """Tell whether workflow code is running here."""
    return current_workflow.get() is not None


def info() -> WorkflowInfo:
    """Describe the run."""
    return require_workflow("workflow.info()").info()


def now() -> dt.datetime:
    """Give the time of the event being folded: the same on every replay. Aware UTC."""
    return require_workflow("workflow.now()").now()


def time() -> float:
    """Give `now()` as seconds since the epoch."""
    return now().timestamp()


def random(stream: str = "") -> stdlib_random.Random:
    """Give a random generator whose values depend on the run and the stream's name only.

    Using one stream never shifts another's values, nor the ids of `uuid4` and `uuid7`.
    """
    return require_workflow("workflow.random()").random(stream)


def uuid4() -> uuid.UUID:
    """Give the run's next random id, the same on every replay."""
    return require_workflow("workflow.uuid4()").uuid4()


def uuid7() -> uuid.UUID:
    """Give the run's next time-ordered id, the same on every replay."""
    return require_workflow("workflow.uuid7()").uuid7()


def side_effect(function: Callable[[], T], *, type: Any = Any) -> T:
    """Run a small non-deterministic expression once and record its value; replay gives the recorded one.

    For reads that cannot fail (a setting, a flag). What may fail or take time belongs in an activity.
    `type` decodes the value on replay; the code always gets the decoded form.
    """
    context = require_workflow("workflow.side_effect()")
    return cast("T", context.side_effect(function, type, user_site(2)))


def is_replaying() -> bool:
    """Tell whether the code runs over recorded events now. For logs and metrics only: never decide by it."""
    return require_workflow("workflow.is_replaying()").replaying


def cancel_reason() -> str | None:
    """Give the reason of the cancel request, None when nobody asked."""
    return require_workflow("workflow.cancel_reason()").cancel_reason()


class _Logger(logging.LoggerAdapter[logging.Logger]):
    def isEnabledFor(self, level: int) -> bool:
        context = current_workflow.get()
        return not (context is not None and context.replaying) and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, Any]:
        context = current_workflow.get()
        if context is not None:
            about = context.info()
            kwargs["extra"] = {
                "workflow_id": about.workflow_id,
                "run_id": about.run_id,
                "workflow_type": about.workflow_type,
                **(kwargs.get("extra") or {}),
            }
        return msg, kwargs


logger = _Logger(logging.getLogger("aion.workflow"), {})
"""A logger that adds the run's ids and is silent on replay."""

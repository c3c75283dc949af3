"""The workflow author's namespace: `from aion import workflow`."""

from __future__ import annotations

import asyncio
import datetime as dt
import random as stdlib_random
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar, overload

from aion.authoring import workflow_definition as definitions
from aion.authoring.activity_definition import Activity
from aion.authoring.activity_requests import request_activity
from aion.authoring.chains import (
    get_last_completion_result,
    get_last_failure,
    has_last_completion_result,
)
from aion.authoring.child_options import ChildCancellationType, ParentClosePolicy
from aion.authoring.children import (
    ChildWorkflowHandle,
    ExternalWorkflowHandle,
    continue_as_new,
    execute_child_workflow,
    get_external_workflow_handle,
    start_child_workflow,
)
from aion.authoring.concurrency import (
    Saga,
    Timer,
    map_concurrent,
    race,
    sleep_until,
    with_timeout,
)
from aion.authoring.context import (
    UpdateInfo,
    WorkflowInfo,
    current_workflow,
    require_workflow,
    user_site,
)
from aion.authoring.handler_definition import HandlerUnfinishedPolicy
from aion.authoring.handlers import (
    all_handlers_finished,
    current_update_info,
    query,
    receive,
    set_query_handler,
    set_signal_handler,
    set_update_handler,
    signal,
    update,
)
from aion.authoring.options import ActivityOptions, CancellationType
from aion.authoring.plain import blocks, spawn, wait
from aion.authoring.registry import registry
from aion.authoring.scopes import CancelScope, cancel_scope, shielded
from aion.authoring.workflow_logger import logger
from aion.core.retry import RetryPolicy
from aion.core.signatures import decode_any, encode_arguments

__all__ = [
    "CancelScope",
    "CancellationType",
    "ChildCancellationType",
    "ChildWorkflowHandle",
    "ExternalWorkflowHandle",
    "HandlerUnfinishedPolicy",
    "ParentClosePolicy",
    "Saga",
    "Timer",
    "UpdateInfo",
    "WorkflowInfo",
    "all_handlers_finished",
    "cancel_reason",
    "cancel_scope",
    "continue_as_new",
    "continue_as_new_suggested",
    "current_update_info",
    "defn",
    "deprecate_patch",
    "execute_activity",
    "execute_child_workflow",
    "execute_local_activity",
    "get_external_workflow_handle",
    "get_last_completion_result",
    "get_last_failure",
    "has_last_completion_result",
    "in_workflow",
    "info",
    "init",
    "is_replaying",
    "logger",
    "map_concurrent",
    "now",
    "patched",
    "query",
    "race",
    "random",
    "receive",
    "run",
    "set_current_details",
    "set_query_handler",
    "set_signal_handler",
    "set_update_handler",
    "shielded",
    "side_effect",
    "signal",
    "sleep",
    "sleep_until",
    "spawn",
    "start_activity",
    "start_child_workflow",
    "start_local_activity",
    "time",
    "update",
    "upsert_memo",
    "upsert_search_attributes",
    "uuid4",
    "uuid7",
    "wait",
    "wait_condition",
    "with_timeout",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


# --- definitions ----------------------------------------------------------------------------------


@overload
def defn(target: T, /) -> T: ...
@overload
def defn(
    *,
    name: str | None = None,
    hold_on: tuple[type[BaseException], ...] = (),
    retry: RetryPolicy | None = None,
    on_non_determinism: Literal["hold", "fail"] | None = None,
) -> Callable[[T], T]: ...
def defn(
    target: Any = None,
    /,
    *,
    name: str | None = None,
    hold_on: tuple[type[BaseException], ...] = (),
    retry: RetryPolicy | None = None,
    on_non_determinism: Literal["hold", "fail"] | None = None,
) -> Any:
    """Make a class with a run method, or a function, a workflow: `async def`, or a plain `def`.

    `name` is the type name in histories and defaults to the class's or function's; keep it when you
    rename the code. An exception of a type in `hold_on` does not fail the run: it is held, with its
    problem shown, and goes on once the code is fixed. `retry` is for runs whose starter gives no policy.
    `on_non_determinism` is what becomes of runs that the code no longer fits; by default the setting says.
    """

    def decorate(target: Any) -> Any:
        definition = definitions.WorkflowDefinition(
            target,
            name=name or target.__name__,
            hold_on=tuple(hold_on),
            retry=retry,
            on_non_determinism=on_non_determinism,
        )
        setattr(target, definitions.DEFINITION_MARK, definition)
        registry.add_workflow(definition)
        return target

    return decorate(target) if target is not None else decorate


def run(function: F) -> F:
    """Mark the method that is the workflow: one for each class, `async def` or a plain `def`."""
    setattr(function, definitions.RUN_MARK, True)
    return function


def init(function: F) -> F:
    """Mark `__init__` to receive the input of `run`, so that handlers never see a half-built object."""
    setattr(function, definitions.INIT_MARK, True)
    return function


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
    return request_activity(
        require_workflow("workflow.start_activity()"),
        activity,
        args,
        kwargs or {},
        ActivityOptions().override(**options),
        partial(encode_arguments, what=f"activity {activity}"),
        decode_any,
        user_site(2),
    )


@blocks
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


@blocks
async def execute_local_activity(
    activity: Activity[Any, Any] | str, *args: Any, **options: Any
) -> Any:
    """Run an activity inside the worker that took the turn and give its result."""
    return await start_local_activity(activity, *args, **options)


# --- waiting --------------------------------------------------------------------------------------


@blocks
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


@blocks
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

    For reads that cannot fail (a setting, a flag): an error holds the run until a later try succeeds.
    What may fail or take time belongs in an activity. `type` decodes the value; the code always gets the
    decoded form.
    """
    context = require_workflow("workflow.side_effect()")
    return context.side_effect(function, type, user_site(2))


def patched(patch_id: str, *, per_call: bool = False) -> bool:
    """Tell whether to take the new branch of a change: yes for runs that reach it for the first time.

    Runs that passed here before the change keep the old branch, also after they have caught up. With
    `per_call` each call decides for itself: the next round of a loop takes the new branch, at an event each.
    """
    context = require_workflow("workflow.patched()")
    return context.patched(patch_id, deprecated=False, per_call=per_call)


def deprecate_patch(patch_id: str, *, per_call: bool = False) -> None:
    """Say that only the new branch of a patch is left; runs that recorded the patch still replay.

    `per_call` is what the call of `patched` said.
    """
    context = require_workflow("workflow.deprecate_patch()")
    context.patched(patch_id, deprecated=True, per_call=per_call)


def upsert_search_attributes(attributes: dict[str, Any]) -> None:
    """Change search attributes of the run; None unsets one.

    Raises:
        PayloadError: a value has no JSON form.
        InvalidSearchAttribute: a name is not registered or a value not of its kind. It holds the run.
    """
    context = require_workflow("workflow.upsert_search_attributes()")
    context.upsert("search_attributes", dict(attributes))


def upsert_memo(memo: dict[str, Any]) -> None:
    """Change the run's memo; None unsets an entry.

    Raises:
        PayloadError: a value has no JSON form.
    """
    require_workflow("workflow.upsert_memo()").upsert("memo", dict(memo))


def set_current_details(text: str) -> None:
    """Say in words where the workflow stands, for people: the answer to the query `__current_details`."""
    require_workflow("workflow.set_current_details()").set_details(text)


def continue_as_new_suggested() -> bool:
    """Tell whether the history has grown so long that `continue_as_new` is advisable."""
    return require_workflow("workflow.continue_as_new_suggested()").should_continue_as_new()


def is_replaying() -> bool:
    """Tell whether the code runs over recorded events now. For logs only: never decide by it."""
    return require_workflow("workflow.is_replaying()").replaying


def cancel_reason() -> str | None:
    """Give the reason of the cancel request, None when nobody asked."""
    return require_workflow("workflow.cancel_reason()").cancel_reason()

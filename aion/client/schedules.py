"""Schedules: made, found and listed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from aion.client.calls import Workflow, definition, twin
from aion.client.schedule_handle import ScheduleHandle
from aion.core.errors import InvalidArgument
from aion.core.payloads import encode
from aion.core.priority import DEFAULT, check_priority
from aion.core.retry import RetryPolicy
from aion.operations.checking import check_mapping
from aion.operations.schedules.create import create_schedule as _create
from aion.operations.schedules.describe import ScheduleSummary
from aion.operations.schedules.describe import list_schedules as _list
from aion.operations.search_attributes import kept_attributes
from aion.schedules.config import CatchUp, OverlapPolicy, ScheduleAction, ScheduleConfig
from aion.schedules.spec import Interval, ScheduleSpec

_DEFAULT_ID = "{schedule_id}-{time}"


def schedule_action(  # noqa: PLR0913  # the options of a start, by keyword
    workflow: Workflow,
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    workflow_id: str = _DEFAULT_ID,
    task_queue: str = "",
    run_timeout: dt.timedelta | None = None,
    execution_timeout: dt.timedelta | None = None,
    retry: RetryPolicy | None = None,
    priority: int = DEFAULT,
    memo: Mapping[str, Any] | None = None,
    search_attributes: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ScheduleAction:
    """Say what a schedule starts: a workflow, by class, function or type name, with its arguments.

    `workflow_id` is a template in which `{schedule_id}` and `{time}`, the nominal time, are filled in.

    Raises:
        UnknownType: no workflow has this name.
        DefinitionError: the workflow is defined in a way that cannot work.
        TypeError: the arguments do not fit the workflow.
        PayloadError: an argument has no JSON form or is too large.
        InvalidArgument: an option cannot be used.
    """
    target = definition(workflow)
    what = f"workflow {target.name}"
    named = dict(kwargs or {})
    target.signature.check(args, named, what=what)
    if retry is not None and not isinstance(retry, RetryPolicy):
        raise InvalidArgument(f"retry must be a RetryPolicy, not {retry!r}", field="retry")
    return ScheduleAction(
        workflow_type=target.name,
        input=msgspec.Raw(target.signature.encode(args, named, what=what)),
        workflow_id=workflow_id,
        task_queue=task_queue,
        run_timeout=run_timeout,
        execution_timeout=execution_timeout,
        retry=retry,
        priority=check_priority(priority),
        memo=_mapping("memo", memo),
        search_attributes=kept_attributes(
            check_mapping("search_attributes", search_attributes)
        ).raw,
        headers=check_mapping("headers", headers),
    )


def _mapping(field: str, value: Mapping[str, Any] | None) -> msgspec.Raw:
    return msgspec.Raw(encode(check_mapping(field, value), field=field))


def create_schedule(  # noqa: PLR0913  # the options of a schedule, by keyword
    schedule_id: str,
    workflow: Workflow,
    *args: Any,
    spec: ScheduleSpec | str | dt.timedelta,
    overlap: OverlapPolicy | str = OverlapPolicy.SKIP,
    catch_up: CatchUp | str = CatchUp.ALL,
    catch_up_window: dt.timedelta = dt.timedelta(days=365),
    pause_on_failure: bool = False,
    remaining_actions: int | None = None,
    paused: bool = False,
    note: str = "",
    trigger_immediately: bool = False,
    request_id: str = "",
    **action: Any,
) -> ScheduleHandle:
    """Create a schedule that starts a workflow again and again, and give a handle of it.

    It exists if and when the caller's transaction commits. `spec` may be a cron expression (in UTC) or a
    timedelta. Further options are those of `schedule_action`. A call repeated with the same `request_id`
    gives the schedule of the first.

    Raises:
        ScheduleAlreadyExists: the id is taken.
        InvalidArgument: an option cannot be used, or the spec has no time to come.
        UnknownType: no workflow has this name.
        DefinitionError: the workflow is defined in a way that cannot work.
        TypeError: the arguments do not fit the workflow.
        PayloadError: an argument has no JSON form or is too large.
    """
    config = ScheduleConfig(
        spec=_spec(spec),
        action=schedule_action(workflow, *args, **action),
        overlap=overlap,  # type: ignore[arg-type]  # read by name, too
        catch_up=catch_up,  # type: ignore[arg-type]
        catch_up_window=catch_up_window,
        pause_on_failure=pause_on_failure,
    )
    created = _create(
        schedule_id,
        config,
        remaining_actions=remaining_actions,
        paused=paused,
        note=note,
        trigger_immediately=trigger_immediately,
        request_id=request_id,
    )
    return ScheduleHandle(schedule_id, created)


def _spec(spec: object) -> ScheduleSpec:
    match spec:
        case ScheduleSpec():
            return spec
        case str():
            return ScheduleSpec(crons=(spec,))
        case dt.timedelta():
            return ScheduleSpec(intervals=(Interval(spec),))
        case _:
            raise InvalidArgument(
                f"spec must be a ScheduleSpec, a cron expression or a timedelta, not {spec!r}",
                field="spec",
            )


def get_schedule_handle(schedule_id: str) -> ScheduleHandle:
    """Give a handle of a schedule that was made elsewhere. Nothing is looked up yet."""
    return ScheduleHandle(schedule_id)


def list_schedules(
    *,
    after: str = "",
    limit: int = 100,
    paused: bool | None = None,
    workflow_type: str = "",
) -> list[ScheduleSummary]:
    """Give schedules in the order of their ids, at most `limit` (up to a thousand).

    `after` is the last id of the page before; `paused` and `workflow_type` narrow the list.

    Raises:
        InvalidArgument: an argument cannot be used.
    """
    return _list(after=after, limit=limit, paused=paused, workflow_type=workflow_type)


async def aschedule_action(workflow: Workflow, *args: Any, **options: Any) -> ScheduleAction:
    """Async twin of `schedule_action`."""
    action: ScheduleAction = await twin(schedule_action)(workflow, *args, **options)
    return action


async def acreate_schedule(
    schedule_id: str, workflow: Workflow, *args: Any, **options: Any
) -> ScheduleHandle:
    """Async twin of `create_schedule`."""
    handle: ScheduleHandle = await twin(create_schedule)(schedule_id, workflow, *args, **options)
    return handle


async def alist_schedules(**options: Any) -> list[ScheduleSummary]:
    """Async twin of `list_schedules`."""
    found: list[ScheduleSummary] = await twin(list_schedules)(**options)
    return found

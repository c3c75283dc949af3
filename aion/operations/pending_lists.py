"""What is pending anywhere, and who is alive: activities, timers, workers, as typed values in pages."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from aion.conf import settings
from aion.core.errors import InvalidArgument, PayloadUnavailable
from aion.core.failures import Failure, decode_failure
from aion.core.retry import RetryPolicy
from aion.operations.checking import check_count, check_text
from aion.operations.clock import clock
from aion.store import describing, pending
from aion.store.attempts import Attempt
from aion.store.describing import TimerInfo, WorkerRow
from aion.store.dialects import dialect
from aion.store.pending import Pending
from aion.store.sealing import plain_failure, plain_payload, with_texts

T = TypeVar("T")

STATES: Final = ("scheduled", "backing_off", "running", "external", "paused")
MOST: Final = 1_000


@dataclasses.dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list; give `next_cursor` as `after` to read on, None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PendingActivity:
    """An activity without its outcome.

    `state` is `scheduled` (a worker may begin it), `backing_off` (until `next_attempt_at`), `running`,
    `external` (its outcome comes by token) or `paused` (by hand or with its run; an attempt that runs on is
    `running`, and `paused_at` says that the next one will wait).
    """

    id: uuid.UUID
    workflow_id: str
    run_id: uuid.UUID
    activity_id: str
    activity_type: str
    summary: str
    state: str
    attempt: int
    maximum_attempts: int  # 0: without end
    task_queue: str
    priority: int
    scheduled_at: dt.datetime
    next_attempt_at: dt.datetime | None
    started_at: dt.datetime | None
    deadline_at: dt.datetime | None
    deadline_kind: str
    last_failure: Failure | None
    heartbeat_at: dt.datetime | None
    heartbeat_details: tuple[Any, ...]
    worker_id: uuid.UUID | None
    worker: str | None
    worker_is_alive: bool | None
    paused_at: dt.datetime | None
    paused_by: str
    pause_reason: str
    cancel_requested: bool
    reset_requested: bool
    retry: RetryPolicy
    start_to_close_timeout: dt.timedelta | None
    schedule_to_close_timeout: dt.timedelta | None
    schedule_to_start_timeout: dt.timedelta | None
    heartbeat_timeout: dt.timedelta | None


def state_of(one: Pending, now: dt.datetime) -> str:
    """Name the state of a pending activity."""
    if one.begun:
        return one.state
    if one.paused:
        return "paused"
    return "backing_off" if one.next_attempt_at > now else "scheduled"


def show(one: Pending, now: dt.datetime) -> PendingActivity:
    """Make what callers see of a row."""
    attempt, order = one.attempt, one.attempt.order
    retry = order.retry or RetryPolicy()
    return PendingActivity(
        id=attempt.id,
        workflow_id=attempt.workflow_id,
        run_id=attempt.run_id,
        activity_id=order.activity_id,
        activity_type=order.activity_type,
        summary=with_texts(order, attempt.run_id).summary,
        state=state_of(one, now),
        attempt=attempt.number,
        maximum_attempts=retry.maximum_attempts,
        task_queue=attempt.task_queue,
        priority=attempt.priority,
        scheduled_at=attempt.scheduled_at,
        next_attempt_at=None if one.begun else one.next_attempt_at,
        started_at=attempt.started_at if one.begun else None,
        deadline_at=one.timeout_at,
        deadline_kind=one.timeout_kind,
        last_failure=_last_failure(attempt),
        heartbeat_at=one.heartbeat_at,
        heartbeat_details=_details(attempt),
        worker_id=attempt.owner_id,
        worker=one.worker,
        worker_is_alive=_lives(one, now),
        paused_at=one.paused_at,
        paused_by=one.paused_by,
        pause_reason=one.pause_reason,
        cancel_requested=one.cancel_requested,
        reset_requested=one.reset_requested,
        retry=retry,
        start_to_close_timeout=order.start_to_close_timeout,
        schedule_to_close_timeout=order.schedule_to_close_timeout,
        schedule_to_start_timeout=order.schedule_to_start_timeout,
        heartbeat_timeout=order.heartbeat_timeout,
    )


def _last_failure(attempt: Attempt) -> Failure | None:
    """Give the last failure; a list is shown also where a text in it cannot be decoded."""
    if attempt.last_failure is None:
        return None
    try:
        return decode_failure(plain_failure(attempt.last_failure, attempt.run_id).encode())
    except PayloadUnavailable as error:
        sealed = decode_failure(attempt.last_failure.encode())
        return Failure(type=sealed.type, message=f"its text cannot be decoded: {error}")


def _details(attempt: Attempt) -> tuple[Any, ...]:
    try:
        return tuple(msgspec.json.decode(plain_payload(attempt.heartbeat_details, attempt.run_id)))
    except PayloadUnavailable:
        return ()


def _lives(one: Pending, now: dt.datetime) -> bool | None:
    if one.attempt.owner_id is None:
        return None
    return one.worker_seen_at is not None and one.worker_seen_at >= now - settings.lease


def list_pending_activities(
    *,
    task_queue: str | None = None,
    activity_type: str | None = None,
    state: str | None = None,
    workflow_id: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> Page[PendingActivity]:
    """List pending activities, the oldest first, a page at a time. One statement.

    Raises:
        InvalidArgument: a filter, the cursor or the limit is not usable.
    """
    now = clock.now()
    conditions, parameters = ["TRUE"], []
    given = (
        ("task_queue", "a.task_queue", task_queue),
        ("activity_type", "a.activity_type", activity_type),
        ("workflow_id", "r.workflow_id", workflow_id),
    )
    for field, column, value in given:
        if value is not None:
            check_text(field, value)
            conditions.append(f"{column} = %s")
            parameters.append(value)
    if state is not None:
        condition, more = _in_state(state, now)
        conditions.append(condition)
        parameters.extend(more)
    if after is not None:
        conditions.append("a.id > %s")
        parameters.append(dialect().uuid(_cursor(after, uuid.UUID)))
    _check_limit(limit)
    found = pending.select(
        " AND ".join(conditions), parameters, end=f"ORDER BY a.id LIMIT {limit + 1}"
    )
    page = [show(one, now) for one in found]
    return _page(page, limit, lambda last: str(last.id))


def _in_state(state: str, now: dt.datetime) -> tuple[str, list[Any]]:
    at = dialect().time(now)
    match state:
        case "running" | "external":
            return "a.state = %s", [state]
        case "paused":
            return "a.state = 'scheduled' AND a.paused", []
        case "scheduled":
            return "a.state = 'scheduled' AND NOT a.paused AND a.next_attempt_at <= %s", [at]
        case "backing_off":
            return "a.state = 'scheduled' AND NOT a.paused AND a.next_attempt_at > %s", [at]
    raise InvalidArgument(f"state must be one of {', '.join(STATES)}, not {state!r}", field="state")


def _check_limit(limit: int) -> None:
    check_count("limit", limit, least=1)
    if limit > MOST:
        raise InvalidArgument(f"limit must be at most {MOST}, not {limit}", field="limit")


def _cursor(after: object, read: Callable[[str], T]) -> T:
    try:
        return read(after)  # type: ignore[arg-type]  # whatever it is, it is told apart here
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidArgument(
            f"after must be the next_cursor of a page, not {after!r}", field="after"
        ) from error


def _page(found: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Page[T]:
    items = tuple(found[:limit])
    return Page(items, cursor(items[-1]) if len(found) > limit else None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PendingTimer:
    """A timer that has not fired.

    `kind` is `timer` for those of the code, else `start` (a delayed start), `run` or `execution` (deadlines).
    `parked`: its run is paused or held. `summary` is there in descriptions of runs.
    """

    workflow_id: str
    run_id: uuid.UUID
    timer_id: str
    kind: str
    fire_at: dt.datetime
    parked: bool
    summary: str = ""


def show_timer(row: TimerInfo, summary: str = "") -> PendingTimer:
    """Make what callers see of a timer."""
    return PendingTimer(
        workflow_id=row.workflow_id,
        run_id=row.run_id,
        timer_id=row.timer_id,
        kind=row.timer_id[1:] if row.timer_id.startswith("$") else "timer",
        fire_at=row.fire_at,
        parked=row.parked,
        summary=summary,
    )


def list_timers(*, after: str | None = None, limit: int = 100) -> Page[PendingTimer]:
    """List the timers of all runs, the next to fire first, a page at a time. One statement.

    Raises:
        InvalidArgument: the cursor or the limit is not usable.
    """
    _check_limit(limit)
    if after is None:
        rows = describing.timers("TRUE", [], limit=limit + 1)
    else:
        rows = describing.timers_behind(*_cursor(after, _timer_cursor), limit=limit + 1)
    page = _page(rows, limit, lambda last: f"{last.fire_at.isoformat()}/{last.id}")
    return Page(tuple(show_timer(row) for row in page.items), page.next_cursor)


def _timer_cursor(text: str) -> tuple[dt.datetime, int]:
    at, _, number = text.partition("/")
    fire_at = dt.datetime.fromisoformat(at)
    if fire_at.tzinfo is None:
        raise ValueError("it has no zone")
    return fire_at, int(number)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A process that takes turns or runs activities.

    `queues` is empty for one that takes what is there. `alive`: it was seen within the lease.
    """

    id: uuid.UUID
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    version: str
    started_at: dt.datetime
    last_seen_at: dt.datetime
    alive: bool


def list_workers() -> list[WorkerInfo]:
    """List the workers that are known, the oldest first. One statement.

    One that stops is forgotten at once, one that died when its lease has ended.
    """
    now = clock.now()
    return [_show_worker(row, now) for row in describing.workers()]


def _show_worker(row: WorkerRow, now: dt.datetime) -> WorkerInfo:
    alive = row.last_seen_at >= now - settings.lease
    return WorkerInfo(**msgspec.structs.asdict(row), alive=alive)

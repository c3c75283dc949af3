"""Describe schedules: what they are told, where they stand, what they did and will do."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import uuid
from typing import Any, Final

import msgspec

from aion.core.errors import InvalidArgument, PayloadUnavailable
from aion.core.schedule_history import ScheduleRecorded
from aion.models import Firing, Schedule
from aion.models.schedules import FiringState
from aion.operations.checking import check_count, check_text
from aion.operations.schedules.course import find
from aion.schedules.config import OverlapPolicy, ScheduleConfig
from aion.schedules.spec import occurrences_after
from aion.store import firings, schedule_payloads, schedules

_FEW: Final = 10
_MOST_SHOWN: Final = 1_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFiring:
    """A time of a schedule, and what became of it.

    `state` is asked, buffered, running, ended or skipped; `outcome` how the run ended, or why it was skipped.
    """

    nominal_at: dt.datetime
    source: str
    state: str
    overlap: OverlapPolicy
    workflow_id: str
    run_id: uuid.UUID | None
    outcome: str
    started_at: dt.datetime | None
    ended_at: dt.datetime | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSummary:
    """A schedule in a list.

    Where input and memo of the action cannot be decoded or fetched, `unreadable` says why, and `config` has
    them as they are stored.
    """

    schedule_id: str
    workflow_type: str
    config: ScheduleConfig
    unreadable: str | None
    paused: bool
    note: str
    next_at: dt.datetime | None
    remaining_actions: int | None
    problem: str
    created_at: dt.datetime
    updated_at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleDescription(ScheduleSummary):
    """A schedule with its near past and future. `token` is what `update` compares.

    `next_times` are when it fires next; empty while it is paused. `recent` are those that started last, the
    newest first; `buffered` also those that a backfill has asked for.
    """

    token: int
    next_times: list[dt.datetime]
    recent: list[ScheduleFiring]
    running: list[ScheduleFiring]
    buffered: list[ScheduleFiring]
    started_count: int
    skipped_count: int
    missed_count: int
    failed_count: int
    history_length: int


def describe_schedule(schedule_id: str) -> ScheduleDescription:
    """Describe a schedule.

    Raises:
        ScheduleNotFound: there is no such schedule.
    """
    schedule = find(schedule_id)
    config, unreadable = _readable(schedule)
    waiting = [
        *firings.in_state(schedule, FiringState.BUFFERED, limit=_MOST_SHOWN),
        *firings.in_state(schedule, FiringState.ASKED, limit=_MOST_SHOWN),
    ]
    running = firings.in_state(schedule, FiringState.RUNNING, limit=_MOST_SHOWN)
    return ScheduleDescription(
        **_summary(schedule, config, unreadable),
        token=schedule.version,
        next_times=_next_times(schedule, config),
        recent=[shown(each) for each in firings.recent(schedule, limit=_FEW)],
        running=[shown(each) for each in running],
        buffered=[shown(each) for each in waiting],
        started_count=schedule.started_count,
        skipped_count=schedule.skipped_count,
        missed_count=schedule.missed_count,
        failed_count=schedule.failed_count,
        history_length=schedule.head_seq,
    )


def _readable(schedule: Schedule) -> tuple[ScheduleConfig, str | None]:
    """Bring payloads back. Where that fails the rest is shown, and why."""
    try:
        return schedule_payloads.opened_config(schedule), None
    except PayloadUnavailable as error:
        return schedule_payloads.closed_config(schedule), f"{error.code}: {error}"


def _summary(schedule: Schedule, config: ScheduleConfig, unreadable: str | None) -> dict[str, Any]:
    return {
        "schedule_id": schedule.schedule_id,
        "workflow_type": schedule.workflow_type,
        "config": config,
        "unreadable": unreadable,
        "paused": schedule.paused,
        "note": schedule.note,
        "next_at": schedule.next_at,
        "remaining_actions": schedule.remaining_actions,
        "problem": schedule.problem,
        "created_at": schedule.created_at,
        "updated_at": schedule.updated_at,
    }


def _next_times(schedule: Schedule, config: ScheduleConfig) -> list[dt.datetime]:
    remaining = schedule.remaining_actions
    if schedule.paused:
        return []
    found = occurrences_after(config.spec, schedule.decided_until, seed=schedule.schedule_id)
    few = _FEW if remaining is None else min(_FEW, remaining)
    return [each.fires_at for each in itertools.islice(found, few)]


def shown(firing: Firing) -> ScheduleFiring:
    """Give a firing as callers see it."""
    return ScheduleFiring(
        nominal_at=firing.nominal_at,
        source=firing.source,
        state=str(firing.state),
        overlap=OverlapPolicy(firing.overlap),
        workflow_id=firing.workflow_id,
        run_id=firing.current_run_id,
        outcome=firing.outcome,
        started_at=firing.started_at,
        ended_at=firing.ended_at,
    )


def list_schedules(
    *,
    after: str = "",
    limit: int = 100,
    paused: bool | None = None,
    workflow_type: str = "",
) -> list[ScheduleSummary]:
    """Give schedules in the order of their ids, those behind `after`, at most `limit`.

    Raises:
        InvalidArgument: an argument cannot be used.
    """
    check_text("after", after)
    check_text("workflow_type", workflow_type)
    check_count("limit", limit, least=1)
    if limit > _MOST_SHOWN:
        raise InvalidArgument(f"limit must be at most {_MOST_SHOWN}, not {limit}", field="limit")
    rows = schedules.page(after=after, limit=limit, paused=paused, workflow_type=workflow_type)
    return [ScheduleSummary(**_summary(row, *_readable(row))) for row in rows]


def schedule_history(
    schedule_id: str, *, from_seq: int = 1, limit: int | None = None
) -> list[ScheduleRecorded]:
    """Read the history of a schedule from a seq on, at most `limit` events.

    Raises:
        ScheduleNotFound: there is no such schedule.
        InvalidArgument: `from_seq` is not an integer from 1, or `limit` not one from 0.
        PayloadUnavailable: what it was told to start cannot be decoded here.
    """
    check_count("from_seq", from_seq, least=1)
    if limit is not None:
        check_count("limit", limit)
    schedule = find(schedule_id)
    return [
        msgspec.structs.replace(each, event=schedule_payloads.opened_event(each.event, schedule))
        for each in schedules.load(schedule.id, from_seq=from_seq, limit=limit)
    ]

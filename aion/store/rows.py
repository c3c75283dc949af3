"""The rows that the hot path passes around: plain values, no model instances."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import msgspec

from aion.core.history import Recorded
from aion.core.priority import DEFAULT
from aion.core.status import RunStatus

START_TIMER = "$start"
RUN_DEADLINE = "$run"
EXECUTION_DEADLINE = "$execution"
"""Ids of the engine's own timers: the delayed start, and the deadlines."""


class RunRow(msgspec.Struct, gc=False):
    """What a turn knows of a run that it has locked."""

    id: uuid.UUID
    workflow_id: str
    workflow_type: str
    task_queue: str
    status: str
    head_seq: int
    first_seq: int
    history_bytes: int
    owner_id: uuid.UUID | None
    closed: bool
    problem_count: int
    held_until: dt.datetime | None = None
    parent_run_id: uuid.UUID | None = None
    chain_position: int = 0
    priority: int = DEFAULT


class MessageRow(msgspec.Struct, gc=False):
    """A message in a mailbox."""

    id: int
    kind: str
    body: str


class TimerRow(msgspec.Struct, gc=False):
    """A due timer."""

    id: int
    timer_id: str


class Claimed(msgspec.Struct):
    """A run that this transaction has locked, with what waits for it."""

    run: RunRow
    messages: list[MessageRow]
    timers: list[TimerRow]
    first: tuple[int, str, Any, str] | None = None  # the only event as stored, where that was read


class ActivityOrder(msgspec.Struct, gc=False):
    """A new activity row, and what is needed to hand it over."""

    id: uuid.UUID
    run_id: uuid.UUID
    activity_id: str
    activity_type: str
    task_queue: str
    order: str
    attempt: int = 1
    priority: int = DEFAULT

    @property
    def where(self) -> tuple[uuid.UUID, int, str, str]:
        """Its row, its attempt, its queue and its type."""
        return self.id, self.attempt, self.task_queue, self.activity_type


class TimerOrder(msgspec.Struct, gc=False):
    """A new timer row."""

    run_id: uuid.UUID
    timer_id: str
    fire_at: dt.datetime
    priority: int = DEFAULT


class RunUpdate(msgspec.Struct, gc=False):
    """What a turn leaves in a run's row."""

    id: uuid.UUID
    head_seq: int
    history_bytes: int
    status: RunStatus
    owner_id: uuid.UUID | None
    closed_at: dt.datetime | None = None
    result: str | None = None
    failure: str | None = None
    has_successor: bool = False
    had_problem: bool = False  # which this turn has left behind
    gained_events: int = 0
    gained_bytes: int = 0  # known once it is written, as is what `history_bytes` has become


class Problem(msgspec.Struct, gc=False, omit_defaults=True):
    """Why a run is held: what is shown, and when it is tried again."""

    code: str
    type: str
    message: str
    traceback: str = ""
    where: str = ""
    at: dt.datetime | None = None
    sealed: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # message and traceback, where encoded


class Hold(msgspec.Struct, gc=False):
    """A run to be held: nothing of its turn is written but this."""

    run_id: uuid.UUID
    problem: Problem
    count: int
    until: dt.datetime


class NewEvents(msgspec.Struct):
    """The events that one run gained in a turn."""

    run_id: uuid.UUID
    expected_seq: int
    events: list[Recorded]
    sealed: bool = False
    size: int | None = None  # the bytes of what was sealed

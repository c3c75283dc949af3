"""The life of a run, and the data shown with it."""

from __future__ import annotations

import datetime as dt

import msgspec

from aion.core.events.base import (
    EMPTY_OBJECT,
    NULL,
    UNSET,
    Arrival,
    ClearPayload,
    CommandEvent,
    Ending,
    EngineEnding,
    Event,
    OptionalPayload,
    Payload,
    SealedTexts,
)
from aion.core.failures import Failure
from aion.core.priority import DEFAULT
from aion.core.retry import RetryPolicy


class CronOrigin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the runs of a cron chain begin with, kept by a run that continued as something else."""

    workflow_type: str
    task_queue: str
    input: Payload
    run_timeout: dt.timedelta | None = None
    memo: Payload = EMPTY_OBJECT
    search_attributes: ClearPayload = EMPTY_OBJECT
    search_attribute_kinds: dict[str, str] = {}


class WorkflowStarted(Arrival, frozen=True, kw_only=True):
    """The first event of a run. `seed` feeds random numbers and ids; it outlives a reset."""

    workflow_id: str
    workflow_type: str
    task_queue: str = "default"
    input: Payload = EMPTY_OBJECT
    definition_hash: str = ""
    behaviour_version: int = 1  # of first events that name none; the newest is always named
    seed: str = ""
    attempt: int = 1
    parent_run_id: str | None = None
    parent_workflow_id: str | None = None
    root_run_id: str | None = None
    root_workflow_id: str | None = None
    first_run_id: str = ""  # of the chain of a child: the id that its parent knows
    parent_close_policy: str = ""
    continued_from_run_id: str | None = None
    run_timeout: dt.timedelta | None = None
    execution_timeout: dt.timedelta | None = None
    execution_deadline_at: dt.datetime | None = None
    start_delay: dt.timedelta | None = None
    retry: RetryPolicy | None = None
    initiator: str = ""  # of a successor: continue_as_new, retry or cron
    cron: str = ""
    time_zone: str = ""  # of cron; empty is UTC
    scheduled_at: dt.datetime | None = None  # the cron time that this run is for
    cron_origin: CronOrigin | None = None
    last_result: OptionalPayload = UNSET
    last_failure: Failure | None = None
    memo: Payload = EMPTY_OBJECT
    search_attributes: ClearPayload = EMPTY_OBJECT
    search_attribute_kinds: dict[str, str] = {}
    headers: dict[str, str] = {}
    sealed: SealedTexts = UNSET
    request_id: str = ""
    priority: int = DEFAULT
    history_suggest_events: int = 0  # 0 is the default, as for the bytes
    history_suggest_bytes: int = 0


class WorkflowCompleted(Ending, frozen=True, kw_only=True):
    """The workflow returned. In a cron chain, a successor waits for the next time."""

    result: Payload = NULL
    successor_run_id: str = ""


class WorkflowFailed(EngineEnding, frozen=True, kw_only=True):
    """An exception left the workflow code. A successor may try again, or wait for the next cron time.

    With `by_engine` the code did not end: its history grew beyond a limit.
    """

    failure: Failure
    successor_run_id: str = ""


class WorkflowCancelled(EngineEnding, frozen=True, kw_only=True):
    """The workflow ended by letting a requested cancel through.

    With `by_engine` its code had not begun: it waited for its next attempt or cron time.
    """

    reason: str = ""


class WorkflowContinuedAsNew(CommandEvent, frozen=True, kw_only=True):
    """The workflow ended and goes on as a new run of the same workflow id."""

    successor_run_id: str
    workflow_type: str = ""
    input: Payload = EMPTY_OBJECT
    task_queue: str = ""
    run_timeout: dt.timedelta | None = None
    memo: Payload = EMPTY_OBJECT  # the successor's, as are the search attributes
    search_attributes: ClearPayload = EMPTY_OBJECT
    search_attribute_kinds: dict[str, str] = {}
    headers: dict[str, str] | None = None  # None where the successor keeps those of this run
    sealed: SealedTexts = UNSET

    @property
    def key(self) -> tuple[str, ...]:
        """The successor's type."""
        return (self.workflow_type,)


class WorkflowTerminated(Event, frozen=True, kw_only=True):
    """An operator (or a policy) ended the run without running its code."""

    reason: str = ""


class WorkflowTimedOut(Event, frozen=True, kw_only=True):
    """The run's deadline passed. `kind` is `run` or `execution`, which ends the chain."""

    kind: str = "run"
    successor_run_id: str = ""


class WorkflowReopened(Event, frozen=True, kw_only=True):
    """A closed run was opened again, or a reset run goes on behind what was copied.

    Replay leaves out the events behind `keep_until` up to this one. The ids of runs that this one brings
    forth from here on come from `seed`: those of what was undone are in use.
    """

    reason: str = ""
    keep_until: int = 0
    seed: str = ""


class WorkflowPaused(Event, frozen=True, kw_only=True):
    """An operator paused the run."""

    reason: str = ""


class WorkflowResumed(Event, frozen=True, kw_only=True):
    """An operator resumed the run."""

    reason: str = ""


class CancelRequested(Arrival, frozen=True, kw_only=True):
    """Somebody asked the run to cancel itself."""

    reason: str = ""
    sender_run_id: str = ""
    sender_request_id: str = ""


class SearchAttributesUpdated(CommandEvent, frozen=True, kw_only=True):
    """The workflow changed search attributes; null unsets one. `kinds` says what the values are."""

    attributes: ClearPayload = EMPTY_OBJECT
    kinds: dict[str, str] = {}


class MemoUpdated(CommandEvent, frozen=True, kw_only=True):
    """The workflow changed its memo; null unsets an entry."""

    memo: Payload = EMPTY_OBJECT

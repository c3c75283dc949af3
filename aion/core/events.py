"""The events: immutable facts, in past tense, of which a history is made.

Theory of operation
-------------------
A run is a fold over its events. Each kind plays one of three roles there:

* an **arrival** comes from outside (a start, a signal, an activity's outcome, a timer's firing). It is
  given to the workflow instance, and the instance's loop runs until nothing is ready;
* a **command event** records that the code asked for something while an arrival was folded. It stands
  directly behind the arrival that caused it, and replay compares it with what the code asks for now;
* a **note** is kept for readers (which worker ran the attempt, who paused the run). Replay skips it.

`key` is what replay compares of a command event: the id and the name of the thing asked for. Inputs,
timeouts and options are not part of it, so that benign edits of the code pass.

An event is stored as its kind (the class name) and its attributes as JSON. A field added later has a
default, so every history ever written can be read.
"""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import ClassVar

import msgspec

from aion.core.failures import Failure
from aion.core.retry import RetryPolicy

Payload = msgspec.Raw
"""User data as encoded JSON, passed along without being parsed."""

EMPTY_OBJECT = msgspec.Raw(b"{}")
NULL = msgspec.Raw(b"null")

BEHAVIOUR_VERSION = 1
"""The rules of folding that new runs follow; each run keeps those of its first event."""


class Role(Enum):
    """What an event is to replay."""

    ARRIVAL = "arrival"
    COMMAND = "command"
    NOTE = "note"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The base of all events."""

    role: ClassVar[Role] = Role.NOTE

    @property
    def key(self) -> tuple[str, ...]:
        """What replay compares: ids and names, never inputs."""
        return ()


class Arrival(Event, frozen=True, kw_only=True, gc=False):
    """An event that comes from outside of the workflow code."""

    role: ClassVar[Role] = Role.ARRIVAL


class CommandEvent(Event, frozen=True, kw_only=True, gc=False):
    """An event that records what workflow code asked for."""

    role: ClassVar[Role] = Role.COMMAND


# --- the life of a run ----------------------------------------------------------------------------


class WorkflowStarted(Arrival, frozen=True, kw_only=True):
    """The first event of a run. `seed` feeds random numbers and ids; it outlives a reset."""

    workflow_id: str
    workflow_type: str
    task_queue: str = "default"
    input: Payload = EMPTY_OBJECT
    definition_hash: str = ""
    behaviour_version: int = BEHAVIOUR_VERSION
    seed: str = ""
    attempt: int = 1
    parent_run_id: str | None = None
    parent_workflow_id: str | None = None
    root_run_id: str | None = None
    root_workflow_id: str | None = None
    continued_from_run_id: str | None = None
    run_timeout: dt.timedelta | None = None
    execution_timeout: dt.timedelta | None = None
    execution_deadline_at: dt.datetime | None = None
    start_delay: dt.timedelta | None = None
    memo: Payload = EMPTY_OBJECT
    search_attributes: Payload = EMPTY_OBJECT
    headers: dict[str, str] = {}
    request_id: str = ""


class WorkflowCompleted(CommandEvent, frozen=True, kw_only=True):
    """The workflow returned."""

    result: Payload = NULL


class WorkflowFailed(CommandEvent, frozen=True, kw_only=True):
    """An exception left the workflow code."""

    failure: Failure


class WorkflowCancelled(CommandEvent, frozen=True, kw_only=True):
    """The workflow ended by letting a requested cancel through."""

    reason: str = ""


class WorkflowContinuedAsNew(CommandEvent, frozen=True, kw_only=True):
    """The workflow ended and goes on as a new run of the same workflow id."""

    successor_run_id: str
    workflow_type: str = ""
    input: Payload = EMPTY_OBJECT

    @property
    def key(self) -> tuple[str, ...]:
        """The successor's type."""
        return (self.workflow_type,)


class WorkflowTerminated(Event, frozen=True, kw_only=True):
    """An operator (or a policy) ended the run without running its code."""

    reason: str = ""


class WorkflowTimedOut(Event, frozen=True, kw_only=True):
    """The run's deadline passed. `kind` is `run` or `execution`."""

    kind: str = "run"


class WorkflowReopened(Event, frozen=True, kw_only=True):
    """A closed run was opened again; history goes on from before its failure."""

    reason: str = ""


class WorkflowPaused(Event, frozen=True, kw_only=True):
    """An operator paused the run."""

    reason: str = ""


class WorkflowResumed(Event, frozen=True, kw_only=True):
    """An operator resumed the run."""

    reason: str = ""


class CancelRequested(Arrival, frozen=True, kw_only=True):
    """Somebody asked the run to cancel itself."""

    reason: str = ""


# --- data shown with a run ------------------------------------------------------------------------


class SearchAttributesUpdated(CommandEvent, frozen=True, kw_only=True):
    """The workflow changed search attributes; null unsets one."""

    attributes: Payload = EMPTY_OBJECT


class MemoUpdated(CommandEvent, frozen=True, kw_only=True):
    """The workflow changed its memo; null unsets an entry."""

    memo: Payload = EMPTY_OBJECT


# --- activities -----------------------------------------------------------------------------------


class ActivityScheduled(CommandEvent, frozen=True, kw_only=True):
    """The workflow asked for an activity. The same JSON is the work order of the activity's row."""

    activity_id: str
    activity_type: str
    task_queue: str = ""
    input: Payload = EMPTY_OBJECT
    start_to_close_timeout: dt.timedelta | None = None
    schedule_to_close_timeout: dt.timedelta | None = None
    schedule_to_start_timeout: dt.timedelta | None = None
    heartbeat_timeout: dt.timedelta | None = None
    retry: RetryPolicy | None = None
    summary: str = ""
    headers: dict[str, str] = {}

    @property
    def key(self) -> tuple[str, ...]:
        """The activity's id and type."""
        return (self.activity_id, self.activity_type)


class ActivityStarted(Event, frozen=True, kw_only=True):
    """Which attempt, on which worker, led to the outcome that follows."""

    activity_id: str
    attempt: int = 1
    worker: str = ""
    started_at: dt.datetime | None = None


class ActivityOutcome(Arrival, frozen=True, kw_only=True):
    """The base of an activity's outcomes.

    A local activity has no other event than its outcome, which therefore names its type.
    """

    activity_id: str
    local: bool = False
    activity_type: str = ""
    attempt: int = 1


class ActivityCompleted(ActivityOutcome, frozen=True, kw_only=True):
    """The activity returned."""

    result: Payload = NULL


class ActivityFailed(ActivityOutcome, frozen=True, kw_only=True):
    """The activity failed, and its retry policy allows no further attempt."""

    failure: Failure


class ActivityTimedOut(ActivityOutcome, frozen=True, kw_only=True):
    """A timeout of the activity passed, and no further attempt is allowed."""

    failure: Failure


class ActivityCancelled(ActivityOutcome, frozen=True, kw_only=True):
    """The activity confirmed its cancellation, or was cancelled before it began."""

    reason: str = ""


class ActivityCancelRequested(CommandEvent, frozen=True, kw_only=True):
    """The workflow asked that an activity be cancelled."""

    activity_id: str

    @property
    def key(self) -> tuple[str, ...]:
        """The activity's id."""
        return (self.activity_id,)


# --- timers ---------------------------------------------------------------------------------------


class TimerStarted(CommandEvent, frozen=True, kw_only=True):
    """The workflow asked to be woken."""

    timer_id: str
    fire_at: dt.datetime
    summary: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """The timer's id."""
        return (self.timer_id,)


class TimerFired(Arrival, frozen=True, kw_only=True):
    """The timer's time came."""

    timer_id: str


class TimerCancelled(CommandEvent, frozen=True, kw_only=True):
    """The workflow no longer needs the timer."""

    timer_id: str

    @property
    def key(self) -> tuple[str, ...]:
        """The timer's id."""
        return (self.timer_id,)


# --- messages -------------------------------------------------------------------------------------


class SignalReceived(Arrival, frozen=True, kw_only=True):
    """A signal reached the run."""

    name: str
    input: Payload = EMPTY_OBJECT
    request_id: str = ""
    headers: dict[str, str] = {}


class SignalSent(CommandEvent, frozen=True, kw_only=True):
    """The workflow sent a signal to another run."""

    workflow_id: str
    run_id: str = ""
    name: str
    input: Payload = EMPTY_OBJECT

    @property
    def key(self) -> tuple[str, ...]:
        """Receiver and signal name."""
        return (self.workflow_id, self.name)


class UpdateAccepted(Arrival, frozen=True, kw_only=True):
    """An update passed its validator."""

    update_id: str
    name: str
    input: Payload = EMPTY_OBJECT
    headers: dict[str, str] = {}


class UpdateCompleted(CommandEvent, frozen=True, kw_only=True):
    """An update's handler returned or failed."""

    update_id: str
    result: Payload | None = None
    failure: Failure | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The update's id."""
        return (self.update_id,)


class ExternalCancelRequested(CommandEvent, frozen=True, kw_only=True):
    """The workflow asked another run to cancel itself."""

    workflow_id: str
    run_id: str = ""
    reason: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """The receiver."""
        return (self.workflow_id,)


# --- children -------------------------------------------------------------------------------------


class ChildWorkflowStarted(CommandEvent, frozen=True, kw_only=True):
    """The workflow started a child; the child's run is created in the same commit."""

    workflow_id: str
    workflow_type: str
    run_id: str = ""
    input: Payload = EMPTY_OBJECT

    @property
    def key(self) -> tuple[str, ...]:
        """The child's id and type."""
        return (self.workflow_id, self.workflow_type)


class ChildOutcome(Arrival, frozen=True, kw_only=True):
    """The base of a child's outcomes."""

    workflow_id: str
    run_id: str = ""


class ChildWorkflowCompleted(ChildOutcome, frozen=True, kw_only=True):
    """The child returned."""

    result: Payload = NULL


class ChildWorkflowFailed(ChildOutcome, frozen=True, kw_only=True):
    """The child failed."""

    failure: Failure


class ChildWorkflowCancelled(ChildOutcome, frozen=True, kw_only=True):
    """The child was cancelled."""

    reason: str = ""


class ChildWorkflowTimedOut(ChildOutcome, frozen=True, kw_only=True):
    """The child's deadline passed."""


class ChildWorkflowTerminated(ChildOutcome, frozen=True, kw_only=True):
    """The child was terminated."""

    reason: str = ""


# --- determinism ----------------------------------------------------------------------------------


class PatchMarked(CommandEvent, frozen=True, kw_only=True):
    """The code took the new branch of a patch."""

    patch_id: str
    deprecated: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """The patch's id."""
        return (self.patch_id,)


class SideEffectRecorded(CommandEvent, frozen=True, kw_only=True):
    """The value of a non-deterministic expression, taken once."""

    value: Payload = NULL

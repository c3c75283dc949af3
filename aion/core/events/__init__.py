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

from aion.core.events.activities import (
    ActivityCancelled,
    ActivityCancelRequested,
    ActivityCompleted,
    ActivityFailed,
    ActivityOutcome,
    ActivityScheduled,
    ActivitySettledByHand,
    ActivityStarted,
    ActivityTimedOut,
)
from aion.core.events.base import (
    BEHAVIOUR_VERSION,
    EMPTY_OBJECT,
    NULL,
    Arrival,
    ClearPayload,
    CommandEvent,
    Ending,
    EngineEnding,
    Event,
    OptionalPayload,
    Payload,
    Role,
)
from aion.core.events.children import (
    ChildOutcome,
    ChildWorkflowCancelled,
    ChildWorkflowCompleted,
    ChildWorkflowFailed,
    ChildWorkflowStarted,
    ChildWorkflowTerminated,
    ChildWorkflowTimedOut,
)
from aion.core.events.markers import (
    PatchMarked,
    SideEffectRecorded,
)
from aion.core.events.messages import (
    ExternalCancelRequested,
    ExternalRequestDelivered,
    ExternalRequestFailed,
    SignalReceived,
    SignalSent,
    UpdateAccepted,
    UpdateCompleted,
)
from aion.core.events.runs import (
    CancelRequested,
    CronOrigin,
    MemoUpdated,
    SearchAttributesUpdated,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinuedAsNew,
    WorkflowFailed,
    WorkflowPaused,
    WorkflowReopened,
    WorkflowResumed,
    WorkflowStarted,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from aion.core.events.timers import (
    TimerCancelled,
    TimerFired,
    TimerStarted,
)

__all__ = [
    "BEHAVIOUR_VERSION",
    "EMPTY_OBJECT",
    "NULL",
    "ActivityCancelRequested",
    "ActivityCancelled",
    "ActivityCompleted",
    "ActivityFailed",
    "ActivityOutcome",
    "ActivityScheduled",
    "ActivitySettledByHand",
    "ActivityStarted",
    "ActivityTimedOut",
    "Arrival",
    "CancelRequested",
    "ChildOutcome",
    "ChildWorkflowCancelled",
    "ChildWorkflowCompleted",
    "ChildWorkflowFailed",
    "ChildWorkflowStarted",
    "ChildWorkflowTerminated",
    "ChildWorkflowTimedOut",
    "ClearPayload",
    "CommandEvent",
    "CronOrigin",
    "Ending",
    "EngineEnding",
    "Event",
    "ExternalCancelRequested",
    "ExternalRequestDelivered",
    "ExternalRequestFailed",
    "MemoUpdated",
    "OptionalPayload",
    "PatchMarked",
    "Payload",
    "Role",
    "SearchAttributesUpdated",
    "SideEffectRecorded",
    "SignalReceived",
    "SignalSent",
    "TimerCancelled",
    "TimerFired",
    "TimerStarted",
    "UpdateAccepted",
    "UpdateCompleted",
    "WorkflowCancelled",
    "WorkflowCompleted",
    "WorkflowContinuedAsNew",
    "WorkflowFailed",
    "WorkflowPaused",
    "WorkflowReopened",
    "WorkflowResumed",
    "WorkflowStarted",
    "WorkflowTerminated",
    "WorkflowTimedOut",
]

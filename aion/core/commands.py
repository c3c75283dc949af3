"""Commands: what workflow code asks for. Each is granted by exactly one event, or is a local activity."""

from __future__ import annotations

from types import CodeType
from typing import Final

import msgspec

from aion.core import events
from aion.core.events import CommandEvent

COMMAND_NAMES: Final[dict[type[CommandEvent], str]] = {
    events.ActivityScheduled: "ScheduleActivity",
    events.ActivityCancelRequested: "CancelActivity",
    events.TimerStarted: "StartTimer",
    events.TimerCancelled: "CancelTimer",
    events.SideEffectRecorded: "RecordSideEffect",
    events.PatchMarked: "MarkPatch",
    events.SignalSent: "SendSignal",
    events.UpdateCompleted: "CompleteUpdate",
    events.ExternalCancelRequested: "RequestExternalCancel",
    events.ChildWorkflowStarted: "StartChildWorkflow",
    events.SearchAttributesUpdated: "UpdateSearchAttributes",
    events.MemoUpdated: "UpdateMemo",
    events.WorkflowCompleted: "CompleteWorkflow",
    events.WorkflowFailed: "FailWorkflow",
    events.WorkflowCancelled: "CancelWorkflow",
    events.WorkflowContinuedAsNew: "ContinueAsNew",
}
"""The imperative name of the command that each command event grants."""


class Site(msgspec.Struct, frozen=True, gc=False):
    """Where in the code a command was issued. Formatting is left until somebody asks."""

    code: CodeType
    line: int

    def __str__(self) -> str:
        return f"{self.code.co_filename}:{self.line}"


class Command(msgspec.Struct, gc=False):
    """A wish of the workflow, and the event that will record it when it is granted."""

    event: CommandEvent
    site: Site | None = None
    dropped: bool = False  # taken back within the same drain: nothing is written

    @property
    def name(self) -> str:
        """The imperative name, for messages."""
        return COMMAND_NAMES[type(self.event)]

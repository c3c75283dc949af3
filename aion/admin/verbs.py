"""What can be done to runs in the admin: each verb with its words, its permission and its form."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from aion.access import Verb
from aion.admin.forms import ReasonForm, ResetForm, SignalForm
from aion.client import RunDescription, WorkflowHandle
from aion.core.status import RunStatus

Text = str | Promise

_OPEN: Final = frozenset(status for status in RunStatus if status.is_open)
_FAILED: Final = frozenset(
    {RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.TIMED_OUT, RunStatus.TERMINATED}
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunVerb:
    """A verb as the admin offers it. `act` takes the run's handle and the form's cleaned data."""

    name: str
    label: Text
    explanation: Text
    verb: Verb
    states: frozenset[RunStatus]
    act: Callable[[WorkflowHandle, Mapping[str, Any]], Any]
    form: type[forms.Form] = ReasonForm
    for_many: bool = True
    held_only: bool = False
    is_destructive: bool = False

    def fits(self, run: RunDescription) -> bool:
        """Tell whether the run's state allows the verb."""
        return run.status in self.states and (not self.held_only or run.problem is not None)


def _signal(handle: WorkflowHandle, data: Mapping[str, Any]) -> None:
    handle.signal(
        data["signal"], *data["args"], kwargs=data["kwargs"], request_id=data["request_id"]
    )


def _reset(handle: WorkflowHandle, data: Mapping[str, Any]) -> WorkflowHandle:
    return handle.reset(data["to_seq"], data["reason"], reapply_signals=data["reapply_signals"])


VERBS: Final[dict[str, RunVerb]] = {
    verb.name: verb
    for verb in (
        RunVerb(
            name="signal",
            label=_("Signal"),
            explanation=_("Send a signal. Once it is sent, the workflow will see it."),
            verb=Verb.SIGNAL,
            states=_OPEN,
            act=_signal,
            form=SignalForm,
        ),
        RunVerb(
            name="cancel",
            label=_("Cancel"),
            explanation=_("Ask the workflow to cancel itself. It may clean up first."),
            verb=Verb.CANCEL,
            states=_OPEN,
            act=lambda handle, data: handle.cancel(data["reason"]),
        ),
        RunVerb(
            name="terminate",
            label=_("Terminate"),
            explanation=_("End the run at once, without running its code. Nothing is cleaned up."),
            verb=Verb.TERMINATE,
            states=_OPEN,
            act=lambda handle, data: handle.terminate(data["reason"]),
            is_destructive=True,
        ),
        RunVerb(
            name="pause",
            label=_("Pause"),
            explanation=_("Let the run make no further turn until it is resumed."),
            verb=Verb.PAUSE,
            states=frozenset({RunStatus.RUNNING}),
            act=lambda handle, data: handle.pause(data["reason"]),
        ),
        RunVerb(
            name="resume",
            label=_("Resume"),
            explanation=_("Let the paused run go on with what has waited for it."),
            verb=Verb.RESUME,
            states=frozenset({RunStatus.PAUSED}),
            act=lambda handle, data: handle.resume(data["reason"]),
        ),
        RunVerb(
            name="release",
            label=_("Try again now"),
            explanation=_("Let the held run try again, with the code that the workers have."),
            verb=Verb.RELEASE,
            states=_OPEN,
            act=lambda handle, data: handle.release(),
            held_only=True,
        ),
        RunVerb(
            name="reopen",
            label=_("Retry from failure"),
            explanation=_(
                "Let the run go on from before its failure. What was done is not done again."
            ),
            verb=Verb.REOPEN,
            states=_FAILED,
            act=lambda handle, data: handle.reopen(data["reason"]),
        ),
        RunVerb(
            name="reset",
            label=_("Reset"),
            explanation=_(
                "Go on from an event of the history as a new run. An open run is terminated."
            ),
            verb=Verb.RESET,
            states=frozenset(RunStatus),
            act=_reset,
            form=ResetForm,
            for_many=False,
            is_destructive=True,
        ),
    )
}
"""The verbs by name, in the order of their buttons."""

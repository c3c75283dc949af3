"""What can be done to runs in the admin: each verb with its words, its permission and its form."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from aion.access import Verb
from aion.admin.forms import LoggedReasonForm, ReasonForm, ResetForm, SignalForm, UpdateForm
from aion.client import RunDescription, UpdateHandle, WorkflowHandle
from aion.core.errors import AionError, ResultTimeout
from aion.core.plain import plain
from aion.core.status import RunStatus
from aion.store.dialects import connection

Text = str | Promise

_OPEN: Final = frozenset(status for status in RunStatus if status.is_open)
_FAILED: Final = frozenset(
    {RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.TIMED_OUT, RunStatus.TERMINATED}
)
ANSWER_SECONDS: Final = 3.0
_LONGEST_ANSWER: Final = 2_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunVerb:
    """A verb as the admin offers it. `act` takes the run's handle and the form's cleaned data.

    It gives the handle of the run to go to, or of the update that was sent, or nothing. `handlers` is the
    kind of the handlers that its form names.
    """

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
    handlers: str = ""

    def fits(self, run: RunDescription) -> bool:
        """Tell whether the run's state allows the verb."""
        return run.status in self.states and (not self.held_only or run.problem is not None)


def _signal(handle: WorkflowHandle, data: Mapping[str, Any]) -> None:
    handle.signal(
        data["signal"], *data["args"], kwargs=data["kwargs"], request_id=data["request_id"]
    )


def _update(handle: WorkflowHandle, data: Mapping[str, Any]) -> UpdateHandle:
    return handle.start_update(
        data["update"], *data["args"], kwargs=data["kwargs"], id=data["request_id"], wait_for=""
    )


def answer(sent: UpdateHandle) -> str:
    """Wait a few seconds for an update's answer and give it in words.

    Inside a transaction nobody sees the update yet, so there is nothing to wait for.
    """
    seconds = 0.0 if connection().in_atomic_block else ANSWER_SECONDS
    try:
        result = sent.result(seconds)
    except ResultTimeout:
        return gettext("sent, and not answered yet")
    except AionError as error:
        return f"{error.code}: {error}"
    return json.dumps(plain(result), ensure_ascii=False)[:_LONGEST_ANSWER]


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
            handlers="signal",
        ),
        RunVerb(
            name="update",
            label=_("Update"),
            explanation=_(
                "Send an update and wait a few seconds for its answer. The workflow may refuse it."
            ),
            verb=Verb.UPDATE,
            states=_OPEN,
            act=_update,
            form=UpdateForm,
            for_many=False,
            handlers="update",
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
            form=LoggedReasonForm,
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

"""What interceptors are given: one frozen struct for each call. `dataclasses.replace` changes one.

`args` and `kwargs` are Python values: what the caller gave before they are encoded, or what the receiver
gets after they are decoded.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any, Self

from aion.authoring.child_options import ChildOptions
from aion.authoring.options import ActivityOptions
from aion.core.headers import Headers


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CallInput:
    """What every call has: its arguments, and the headers that travel with it."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    headers: Headers = dataclasses.field(default_factory=dict)

    def with_headers(self, headers: Headers) -> Self:
        """Give a copy with these headers added; one of the same name is replaced."""
        return dataclasses.replace(self, headers={**self.headers, **headers})


# --- the client -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StartWorkflowInput(CallInput):
    """A start. `id` and `task_queue` are empty where the caller named none."""

    workflow_type: str
    id: str = ""
    task_queue: str = ""
    memo: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    search_attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SignalInput(CallInput):
    """A signal to a run."""

    workflow_id: str
    run_id: str | None
    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QueryInput(CallInput):
    """A query of a run."""

    workflow_id: str
    run_id: str | None
    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UpdateInput(CallInput):
    """An update of a run; `id` is the update's own."""

    workflow_id: str
    run_id: str | None
    id: str
    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CancelInput:
    """A cancel request to a run."""

    workflow_id: str
    run_id: str | None
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TerminateInput:
    """An end of a run from outside."""

    workflow_id: str
    run_id: str | None
    reason: str


# --- into workflow code ---------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteWorkflowInput(CallInput):
    """A run that begins; on replay it begins again. What it is, `workflow.info()` says."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HandleSignalInput(CallInput):
    """A signal on its way to its handler."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HandleQueryInput(CallInput):
    """A query on its way to its handler."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HandleUpdateInput(CallInput):
    """An update on its way to its validator, or to its handler."""

    id: str
    name: str


# --- out of workflow code -------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StartActivityInput(CallInput):
    """An activity that workflow code asks for, local or not."""

    activity_type: str
    options: ActivityOptions


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StartChildWorkflowInput(CallInput):
    """A child that workflow code starts."""

    workflow_type: str
    options: ChildOptions


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SignalExternalInput(CallInput):
    """A signal to another workflow; `run_id` is empty where the sender pins none."""

    workflow_id: str
    run_id: str
    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CancelExternalInput:
    """A cancel request to another workflow; `run_id` is empty where the sender pins none."""

    workflow_id: str
    run_id: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ContinueAsNewInput(CallInput):
    """The run that goes on in this one's place; what is None or empty stays as it is."""

    workflow_type: str
    task_queue: str = ""
    run_timeout: dt.timedelta | None = None
    memo: Mapping[str, Any] | None = None
    search_attributes: Mapping[str, Any] | None = None


# --- activities -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteActivityInput(CallInput):
    """An attempt that begins. What it is, `activity.info()` says."""

    activity_type: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatInput:
    """A sign of life of an attempt, with its details."""

    details: tuple[Any, ...]

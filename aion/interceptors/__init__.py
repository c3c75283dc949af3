"""Interceptors: code around calls of the client, of workflows and of activities; and what travels with them.

`AION["INTERCEPTORS"]` lists their classes (or instances) by dotted path; each is made once for a process.
"""

from __future__ import annotations

from collections.abc import Callable

from aion.authoring.context import require_workflow
from aion.authoring.interception import using
from aion.authoring.interceptor_bases import (
    ActivityInterceptor,
    ClientInterceptor,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)
from aion.authoring.interceptor_inputs import (
    CallInput,
    CancelExternalInput,
    CancelInput,
    ContinueAsNewInput,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleQueryInput,
    HandleSignalInput,
    HandleUpdateInput,
    HeartbeatInput,
    QueryInput,
    SignalExternalInput,
    SignalInput,
    StartActivityInput,
    StartChildWorkflowInput,
    StartWorkflowInput,
    TerminateInput,
    UpdateInput,
)
from aion.core.headers import MOST_HEADER_BYTES
from aion.interceptors.propagation import ContextVarPropagator

__all__ = [
    "MOST_HEADER_BYTES",
    "ActivityInterceptor",
    "CallInput",
    "CancelExternalInput",
    "CancelInput",
    "ClientInterceptor",
    "ContextVarPropagator",
    "ContinueAsNewInput",
    "ExecuteActivityInput",
    "ExecuteWorkflowInput",
    "HandleQueryInput",
    "HandleSignalInput",
    "HandleUpdateInput",
    "HeartbeatInput",
    "Interceptor",
    "QueryInput",
    "SignalExternalInput",
    "SignalInput",
    "StartActivityInput",
    "StartChildWorkflowInput",
    "StartWorkflowInput",
    "TerminateInput",
    "UpdateInput",
    "WorkflowInboundInterceptor",
    "WorkflowOutboundInterceptor",
    "after_commit",
    "using",
]


def after_commit(action: Callable[[], object]) -> None:
    """From workflow code: do something when what the code does now has been written, outside of the code.

    In the worker that took the turn. On replay, and where a turn fails, the action is forgotten. It is lost
    if the worker dies between the commit and the action. Its errors are logged.

    Raises:
        NotInWorkflow: no workflow code is running here.
    """
    require_workflow("interceptors.after_commit()").after_commit(action)

"""Aion: durable execution for Django.

Authors import from here: `from aion import activity, workflow, RetryPolicy`. Callers import
`from aion import client`.
"""

from aion.authoring import activity, workflow
from aion.core.errors import (
    ActivityError,
    AionError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    FailureError,
    NonDeterminismError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStarted,
    WorkflowFailureError,
)
from aion.core.payloads import register_converter
from aion.core.retry import RetryPolicy

__version__ = "0.1.0"

__all__ = [
    "ActivityError",
    "AionError",
    "ApplicationError",
    "CancelledError",
    "ChildWorkflowError",
    "FailureError",
    "NonDeterminismError",
    "RetryPolicy",
    "TerminatedError",
    "TimeoutError",
    "WorkflowAlreadyStarted",
    "WorkflowFailureError",
    "activity",
    "register_converter",
    "workflow",
]

"""Failures to exceptions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aion.core import errors
from aion.core.failures.data import Failure
from aion.core.payloads import decode

# A century: more than any wait, and within what timedelta can hold.
_LONGEST_DELAY = 36_500 * 86_400.0


def exception_from(failure: Failure) -> BaseException:
    """Give the exception that a failure stands for, with its causes as `__cause__`.

    The data is its `failure` attribute. Details come back as plain JSON values.
    """
    chain = [failure]
    while chain[-1].cause is not None:
        chain.append(chain[-1].cause)
    exc = _rebuilt(chain.pop(), cause=None)
    while chain:
        exc = _rebuilt(chain.pop(), cause=exc)
    return exc


def _rebuilt(failure: Failure, *, cause: BaseException | None) -> BaseException:
    exc = _BUILDERS.get(failure.kind, _application_error)(failure)
    # An attribute that CancelledError, being Python's own, does not declare.
    vars(exc)["failure"] = failure
    exc.__cause__ = cause
    return exc


def _application_error(failure: Failure) -> BaseException:
    seconds = failure.next_retry_delay
    return errors.ApplicationError(
        failure.message,
        *_details(failure),
        type=failure.type,
        non_retryable=failure.non_retryable,
        next_retry_delay=None if seconds is None else _delay(seconds),
        benign=failure.benign,
    )


def _delay(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), _LONGEST_DELAY))


def _details(failure: Failure) -> tuple[Any, ...]:
    return tuple(decode(raw, Any, field="a detail of the error") for raw in failure.details)


def _timeout_error(failure: Failure) -> BaseException:
    return errors.TimeoutError(
        failure.message, kind=_text(failure, "timeout_kind"), details=_details(failure)
    )


def _activity_error(failure: Failure) -> BaseException:
    return errors.ActivityError(
        failure.message,
        activity_type=_text(failure, "activity_type"),
        activity_id=_text(failure, "activity_id"),
        attempt=_number(failure, "attempt"),
    )


def _child_workflow_error(failure: Failure) -> BaseException:
    return errors.ChildWorkflowError(
        failure.message,
        workflow_type=_text(failure, "workflow_type"),
        workflow_id=_text(failure, "workflow_id"),
        run_id=_text(failure, "run_id"),
    )


def _workflow_error(failure: Failure) -> BaseException:
    return errors.WorkflowFailureError(
        failure.message,
        workflow_id=_text(failure, "workflow_id"),
        run_id=_text(failure, "run_id"),
    )


def _non_determinism_error(failure: Failure) -> BaseException:
    return errors.NonDeterminismError(
        failure.message,
        seq=_number(failure, "seq"),
        expected=_text(failure, "expected"),
        found=_text(failure, "found"),
        where=_text(failure, "where") or None,
    )


def _cancelled_error(failure: Failure) -> BaseException:
    # Python raises it without arguments when it has no reason to tell.
    return asyncio.CancelledError(failure.message) if failure.message else asyncio.CancelledError()


def _text(failure: Failure, name: str) -> str:
    return str(failure.info.get(name, ""))


def _number(failure: Failure, name: str) -> int:
    value = failure.info.get(name, 0)
    return value if isinstance(value, int) else 0


_BUILDERS: dict[str, Callable[[Failure], BaseException]] = {
    "timeout": _timeout_error,
    "cancelled": _cancelled_error,
    "terminated": lambda failure: errors.TerminatedError(failure.message),
    "activity": _activity_error,
    "child_workflow": _child_workflow_error,
    "workflow": _workflow_error,
    "non_determinism": _non_determinism_error,
}

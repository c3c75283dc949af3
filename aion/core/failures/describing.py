"""Exceptions to failures."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec

from aion.core import errors
from aion.core.failures.data import Failure
from aion.core.failures.tracebacks import bounded, formatted_traceback, message_of, repr_of
from aion.core.payloads import encode

_DEEPEST_CAUSE = 10
_LONGEST_MESSAGE = 10 * 1024
_LONGEST_NAME = 255
_LISTED_LEAVES = 50
# What fits in a database's bigint, and in the numbers of most JSON readers.
_LARGEST_NUMBER = 2**53

_Names = tuple[tuple[str, str], ...]


def _same(*names: str) -> _Names:
    return tuple((name, name) for name in names)


# Which attributes of an error the `info` of its kind keeps, as (name in info, name of attribute).
# The first class that an exception is an instance of gives its kind.
_KINDS: tuple[tuple[type[BaseException], str, _Names], ...] = (
    (asyncio.CancelledError, "cancelled", ()),
    (errors.TimeoutError, "timeout", (("timeout_kind", "kind"),)),
    (errors.TerminatedError, "terminated", ()),
    (errors.ActivityError, "activity", _same("activity_type", "activity_id", "attempt")),
    (
        errors.ChildWorkflowError,
        "child_workflow",
        _same("workflow_type", "workflow_id", "run_id"),
    ),
    (errors.WorkflowFailureError, "workflow", _same("workflow_id", "run_id")),
    (errors.NonDeterminismError, "non_determinism", _same("seq", "expected", "found", "where")),
)


def failure_from(exc: BaseException) -> Failure:
    """Describe an exception and what caused it, at most ten deep, whatever they contain.

    Of an exception group the message lists the leaves, and the first leaf is the cause. Errors in
    data are marked non-retryable: another attempt would repeat its effects and end the same.
    """
    chain = [exc]
    while len(chain) < _DEEPEST_CAUSE:
        cause = _cause_of(chain[-1])
        if cause is None or any(cause is each for each in chain):
            break
        chain.append(cause)
    failure = _described(chain.pop(), cause=None)
    while chain:
        failure = _described(chain.pop(), cause=failure)
    return failure


def _described(exc: BaseException, *, cause: Failure | None) -> Failure:
    kind, names = "application", _same()
    for base, kind_of_base, names_of_base in _KINDS:
        if isinstance(exc, base):
            kind, names = kind_of_base, names_of_base
            break
    name = bounded(_type_of(exc), _LONGEST_NAME)
    message = bounded(_message_with_leaves(exc), _LONGEST_MESSAGE)
    first = getattr(exc, "failure", None)
    return Failure(
        type=name,
        message=message,
        traceback=(
            first.traceback
            if isinstance(first, Failure) and first.traceback
            else formatted_traceback(exc, name=name, message=message)
        ),
        cause=cause,
        details=_details_of(exc),
        non_retryable=_is_final(exc),
        next_retry_delay=_delay_of(exc),
        kind=kind,
        info=_info_of(exc, names),
        benign=isinstance(exc, errors.ApplicationError) and bool(exc.benign),
    )


def _type_of(exc: BaseException) -> str:
    return str(exc.type) if isinstance(exc, errors.ApplicationError) else type(exc).__name__


def _message_with_leaves(exc: BaseException) -> str:
    if not isinstance(exc, BaseExceptionGroup):
        return message_of(exc)
    leaves = _leaves(exc)
    lines = [f"- {type(leaf).__name__}: {message_of(leaf)}" for leaf in leaves[:_LISTED_LEAVES]]
    if len(leaves) > _LISTED_LEAVES:
        lines.append(f"- and {len(leaves) - _LISTED_LEAVES} more")
    return "\n".join([message_of(exc), *lines])


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """Give the exceptions of a group and of the groups in it, in order."""
    leaves: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(reversed(each.exceptions))
        else:
            leaves.append(each)
    return leaves


def _cause_of(exc: BaseException) -> BaseException | None:
    if isinstance(exc, BaseExceptionGroup):
        return _leaves(exc)[0]
    if exc.__cause__ is not None or exc.__suppress_context__:
        return exc.__cause__
    return exc.__context__


def _details_of(exc: BaseException) -> tuple[msgspec.Raw, ...]:
    if not isinstance(exc, (errors.ApplicationError, errors.TimeoutError)):
        return ()
    return tuple(msgspec.Raw(_detail(each)) for each in exc.details)


def _detail(value: object) -> bytes:
    try:
        return encode(value, field="a detail of the error")
    except errors.PayloadError:
        return encode(bounded(repr_of(value), _LONGEST_MESSAGE), field="a detail of the error")


def _is_final(exc: BaseException) -> bool:
    if isinstance(exc, errors.ApplicationError):
        return bool(exc.non_retryable)
    return isinstance(exc, errors.PayloadError)


def _delay_of(exc: BaseException) -> float | None:
    delay = getattr(exc, "next_retry_delay", None)
    if not isinstance(exc, errors.ApplicationError) or not isinstance(delay, timedelta):
        return None
    return max(delay.total_seconds(), 0.0)


def _info_of(exc: BaseException, names: _Names) -> dict[str, str | int]:
    info: dict[str, str | int] = {}
    for key, attribute in names:
        value = getattr(exc, attribute, None)
        if value:
            number = isinstance(value, int) and abs(value) < _LARGEST_NUMBER
            info[key] = int(value) if number else bounded(str(value), _LONGEST_MESSAGE)
    return info

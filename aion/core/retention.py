"""How long closed runs are kept: rules, of which the first that fits a run counts. Pure."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from aion.core.errors import InvalidArgument
from aion.core.status import OPEN, RunStatus

CLOSED = tuple(status for status in RunStatus if status not in OPEN)


class RetentionRule(msgspec.Struct, frozen=True):
    """Runs of a type (None: any) and statuses (none: any) are kept for so long; None is for ever."""

    keep: dt.timedelta | None
    workflow_type: str | None = None
    statuses: tuple[RunStatus, ...] = ()

    def __str__(self) -> str:
        statuses = " or ".join(self.statuses) or "closed"
        return f"{statuses} runs of {self.workflow_type or 'any type'}"


def read_rules(values: object) -> tuple[RetentionRule, ...]:
    """Read rules such as `{"type": "Checkout", "status": "failed", "days": 365}`.

    Raises:
        InvalidArgument: one cannot be used; the message names its place.
    """
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise InvalidArgument(f"must be a sequence of rules, not {values!r}")
    rules = []
    for number, value in enumerate(values):
        try:
            rules.append(_read(value))
        except InvalidArgument as error:
            raise InvalidArgument(f"[{number}] {error.message}") from error
    return tuple(rules)


def _read(value: object) -> RetentionRule:
    if not isinstance(value, Mapping):
        raise InvalidArgument(f"must be a dict, not {value!r}")
    unknown = sorted(map(str, set(value) - {"type", "status", "days"}))
    if unknown or "days" not in value:
        what = f"has no key {unknown[0]!r}" if unknown else "needs days"
        raise InvalidArgument(f"{what}: the keys are days, type and status")
    workflow_type = value.get("type")
    if workflow_type is not None and not isinstance(workflow_type, str):
        raise InvalidArgument(f"type must be str, not {workflow_type!r}")
    return RetentionRule(_keep(value["days"]), workflow_type, closed_statuses(value.get("status")))


def _keep(days: Any) -> dt.timedelta | None:
    if days is None:
        return None
    is_number = isinstance(days, (int, float)) and not isinstance(days, bool)
    if not is_number or not 0 < days < math.inf:
        raise InvalidArgument(f"days must be a positive number, or None for ever, not {days!r}")
    try:
        return dt.timedelta(days=days)
    except OverflowError as error:
        raise InvalidArgument(f"days {days} reaches too far; None is for ever") from error


def closed_statuses(status: str | Collection[str] | None) -> tuple[RunStatus, ...]:
    """Read the status of closed runs, or several.

    Raises:
        InvalidArgument: one is none.
    """
    given = [status] if isinstance(status, str) else list(status or ())
    unknown = [each for each in given if each not in CLOSED]
    if unknown:
        raise InvalidArgument(
            f"status must be one of {', '.join(CLOSED)}, not {unknown[0]!r}", field="status"
        )
    return tuple(map(RunStatus, given))

"""From the literals of queries to times, durations, ids and statuses."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any, Final

from aion.core.status import RunStatus


class BadLiteral(Exception):
    """A literal is nothing of the wanted kind; the message says what is."""


_UNITS: Final = {
    "ms": dt.timedelta(milliseconds=1),
    "s": dt.timedelta(seconds=1),
    "m": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
    "w": dt.timedelta(weeks=1),
}
_PART: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d|w)", re.ASCII)
_CLOCK: Final = re.compile(r"(\d{1,6}):([0-5]\d):([0-5]\d)", re.ASCII)
_RELATIVE: Final = re.compile(r"now(?:\(\))?\s*(?:([-+])\s*(.+))?|(-)(.+)", re.DOTALL)


def moment(value: Any, now: dt.datetime) -> dt.datetime:
    """Read a time: a date or time in ISO form (UTC unless it says), `now-24h`, or `-24h`.

    Raises:
        BadLiteral: it is none.
    """
    if isinstance(value, str):
        try:
            relative = _RELATIVE.fullmatch(value)
            if relative is not None:
                ago = relative[2] or relative[4]
                distance = duration(ago) if ago else dt.timedelta(0)
                return now + distance if relative[1] == "+" else now - distance
            found = dt.datetime.fromisoformat(value)
            if found.tzinfo is None:
                return found.replace(tzinfo=dt.UTC)
            return found.astimezone(dt.UTC)
        except (ValueError, OverflowError, BadLiteral):
            pass
    raise BadLiteral("a time such as '2026-01-31', '2026-01-31T12:00:00Z' or 'now-24h'")


def duration(value: Any) -> dt.timedelta:
    """Read a duration: `90s`, `1h30m`, `2d`, or `HH:MM:SS`.

    Raises:
        BadLiteral: it is none.
    """
    if isinstance(value, str):
        clock = _CLOCK.fullmatch(value)
        if clock is not None:
            hours, minutes, seconds = map(int, clock.groups())
            return dt.timedelta(hours=hours, minutes=minutes, seconds=seconds)
        parts = _PART.findall(value)
        if parts and "".join(number + unit for number, unit in parts) == value:
            try:
                amounts = (float(number) * _UNITS[unit] for number, unit in parts)
                return sum(amounts, dt.timedelta(0))
            except OverflowError:
                pass
    raise BadLiteral("a duration such as '90s', '1h30m' or '01:30:00'")


def run_id(value: Any) -> uuid.UUID:
    """Read a run id.

    Raises:
        BadLiteral: it is none.
    """
    if isinstance(value, uuid.UUID):
        return value
    try:
        return uuid.UUID(value)
    except (ValueError, AttributeError, TypeError) as error:
        raise BadLiteral("a run id, which is a UUID in quotes") from error


_STATUSES: Final = {status.value.replace("_", ""): status for status in RunStatus} | {
    "canceled": RunStatus.CANCELLED
}


def status(value: Any) -> str:
    """Read a status, in either way of writing: `TimedOut`, `timed_out`.

    Raises:
        BadLiteral: it is none.
    """
    folded = value.replace("_", "").replace("-", "").lower() if isinstance(value, str) else ""
    found = _STATUSES.get(folded)
    if found is None:
        raise BadLiteral("one of " + ", ".join(map(status_name, RunStatus)))
    return str(found)


def status_name(status: RunStatus) -> str:
    """Write a status as queries do: `TimedOut`."""
    return "".join(part.capitalize() for part in str(status).split("_"))

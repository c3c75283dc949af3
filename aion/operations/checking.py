"""Checks what callers give, before anything is written: an error names the field."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from aion.core.errors import InvalidArgument
from aion.core.headers import check_headers
from aion.core.retry import RetryPolicy
from aion.core.texts import check_indexable, check_text

__all__ = [
    "check_count",
    "check_duration",
    "check_headers",
    "check_indexable",
    "check_mapping",
    "check_retry",
    "check_text",
]

_LONGEST_DURATION: Final = dt.timedelta(
    days=36_500
)  # well inside what times and intervals can hold


LARGEST_COUNT: Final = 2**53
"""More than anything that is counted; one more still fits the integers of both databases."""


def check_count(field: str, value: object, *, least: int = 0) -> None:
    """Refuse what is no integer of `least` or more, or more than could be meant.

    Raises:
        InvalidArgument: it is not usable.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidArgument(
            f"{field} must be an integer of {least} or more, not {value!r}", field=field
        )
    if value > LARGEST_COUNT:
        raise InvalidArgument(f"{field} must be at most {LARGEST_COUNT}", field=field)


def check_duration(field: str, value: object) -> None:
    """Refuse what is neither None nor a positive timedelta of at most a hundred years.

    Raises:
        InvalidArgument: it is not usable.
    """
    if value is None:
        return
    if not isinstance(value, dt.timedelta):
        raise InvalidArgument(f"{field} must be a timedelta, not {value!r}", field=field)
    if value <= dt.timedelta(0):
        raise InvalidArgument(f"{field} must be positive, not {value}", field=field)
    if value > _LONGEST_DURATION:
        raise InvalidArgument(f"{field} must be at most a hundred years, not {value}", field=field)


def check_retry(policy: object) -> None:
    """Refuse what is neither None nor a retry policy.

    Raises:
        InvalidArgument: it is not usable.
    """
    if policy is not None and not isinstance(policy, RetryPolicy):
        raise InvalidArgument(f"retry must be a RetryPolicy, not {policy!r}", field="retry")


def check_mapping(field: str, value: object) -> dict[Any, Any]:
    """Give a mapping as a dict, and None as an empty one.

    Raises:
        InvalidArgument: it is none.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidArgument(f"{field} must be a dict, not {type(value).__name__}", field=field)
    return dict(value)

"""Priorities: from 1, which goes first, to 5."""

from __future__ import annotations

from typing import Any, Final

from aion.core.errors import InvalidArgument

FIRST: Final = 1
DEFAULT: Final = 3
LAST: Final = 5
INHERITED: Final = 0
"""In events of activities and children: the priority of the run that asks for them."""


def check_priority(value: Any) -> int:
    """Give a priority.

    Raises:
        InvalidArgument: it is none.
    """
    if not is_priority(value):
        raise InvalidArgument(
            f"priority must be a whole number from {FIRST}, which goes first, to {LAST}, not {value!r}",
            field="priority",
        )
    return int(value)


def is_priority(value: Any) -> bool:
    """Tell whether a value is a priority."""
    return isinstance(value, int) and not isinstance(value, bool) and FIRST <= value <= LAST


ALL: Final = tuple(range(FIRST, LAST + 1))
LEAD: Final = 10_000_000
"""So many messages a message is ahead of those of the next lower priority: it may overtake no more."""

"""How an activity is to be run: timeouts, retries, routing, cancellation."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from aion.core.priority import is_priority
from aion.core.retry import RetryPolicy


class CancellationType(StrEnum):
    """What cancelling an awaited activity does.

    `TRY` tells the activity and stops waiting at once. `WAIT` tells it and waits for its outcome, which
    may still be a result. `ABANDON` stops waiting and lets it run.
    """

    TRY = "try"
    WAIT = "wait"
    ABANDON = "abandon"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ActivityOptions:
    """Options of an activity, set at its definition and overridden by `with_options`.

    `start_to_close_timeout` bounds one attempt, `schedule_to_close_timeout` all attempts with their
    pauses, `schedule_to_start_timeout` the wait for a worker, `heartbeat_timeout` the silence between
    heartbeats. Where neither close timeout is given, the setting `DEFAULT_START_TO_CLOSE` holds.
    `task_queue` defaults to the run's. `local` runs the activity inside the worker that took the turn.
    `limit_key` is what the limits for each key of a queue count it by: a customer, an account.
    `priority`, from 1 (first) to 5, says who of those that wait is taken next; it defaults to the run's.
    """

    task_queue: str | None = None
    start_to_close_timeout: timedelta | None = None
    schedule_to_close_timeout: timedelta | None = None
    schedule_to_start_timeout: timedelta | None = None
    heartbeat_timeout: timedelta | None = None
    retry: RetryPolicy | None = None
    cancellation_type: CancellationType = CancellationType.TRY
    local: bool = False
    summary: str = ""
    limit_key: str = ""
    priority: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.limit_key, str) or len(self.limit_key) > _LONGEST_KEY:
            raise TypeError(f"limit_key must be a str of at most {_LONGEST_KEY} characters")
        if self.priority is not None and not is_priority(self.priority):
            raise ValueError(f"priority must be a whole number from 1 to 5, not {self.priority!r}")
        for name in _TIMEOUTS:
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, timedelta):
                raise TypeError(f"{name} must be a timedelta, not {type(value).__name__}")
            if value <= timedelta(0):
                raise ValueError(f"{name} must be positive, not {value}")

    def override(self, **changes: Any) -> Self:
        """Give a copy with these options changed.

        Raises:
            TypeError: an option has an unknown name or a wrong type.
            ValueError: a timeout is not positive, or a priority is none.
        """
        unknown = changes.keys() - _NAMES
        if unknown:
            known = ", ".join(sorted(_NAMES))
            raise TypeError(f"Unknown activity option {sorted(unknown)[0]!r}. Options are: {known}")
        return dataclasses.replace(self, **changes)


_LONGEST_KEY = 255
_NAMES = frozenset(field.name for field in dataclasses.fields(ActivityOptions))
_TIMEOUTS = tuple(name for name in sorted(_NAMES) if name.endswith("_timeout"))

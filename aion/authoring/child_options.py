"""How a child workflow is started, and what becomes of it when its parent closes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from aion.core.priority import is_priority
from aion.core.retry import RetryPolicy


class ParentClosePolicy(StrEnum):
    """What happens to an open child when its parent closes."""

    TERMINATE = "terminate"
    ABANDON = "abandon"
    REQUEST_CANCEL = "request_cancel"


class ChildCancellationType(StrEnum):
    """What cancelling an awaited child does.

    `WAIT` asks it to cancel and waits for its end. `WAIT_REQUESTED` asks it and waits until it has the
    request. `TRY` asks it and stops waiting at once. `ABANDON` stops waiting and lets it run.
    """

    WAIT = "wait"
    WAIT_REQUESTED = "wait_requested"
    TRY = "try"
    ABANDON = "abandon"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChildOptions:
    """Options of a child. `id` defaults to one derived from the parent's run, queue and priority to its own.

    A child with `cron` is a chain of runs; whoever awaits it waits for the end of the chain.
    """

    id: str = ""
    task_queue: str = ""
    run_timeout: timedelta | None = None
    execution_timeout: timedelta | None = None
    retry: RetryPolicy | None = None
    cron: str = ""
    time_zone: str = ""
    parent_close_policy: ParentClosePolicy = ParentClosePolicy.TERMINATE
    cancellation_type: ChildCancellationType = ChildCancellationType.WAIT
    memo: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    search_attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    priority: int | None = None

    def __post_init__(self) -> None:
        for name in ("run_timeout", "execution_timeout"):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, timedelta):
                raise TypeError(f"{name} must be a timedelta, not {type(value).__name__}")
            if value <= timedelta(0):
                raise ValueError(f"{name} must be positive, not {value}")
        if self.priority is not None and not is_priority(self.priority):
            raise ValueError(f"priority must be a whole number from 1 to 5, not {self.priority!r}")
        for name in ("cron", "time_zone"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a str, not {type(getattr(self, name)).__name__}")
        if self.time_zone and not self.cron:
            raise ValueError("time_zone is that of cron, which is missing")
        for name, kind in (
            ("parent_close_policy", ParentClosePolicy),
            ("cancellation_type", ChildCancellationType),
        ):
            object.__setattr__(self, name, kind(getattr(self, name)))

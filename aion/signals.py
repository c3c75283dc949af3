"""Django signals about runs and attempts, sent after the commit: for reports, metrics, notifications.

Receivers run in the process that made the commit, often a turn loop: they must be quick, and their errors are
logged by Django and nobody else's. A process that dies between the commit and the signal sends none, so build
nothing on them that must happen; that belongs into activities. Without receivers they cost nothing.

The sender is the decorated class or function, where this process knows it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from django.dispatch import Signal

from aion.core.headers import Headers


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Which run a signal is about."""

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    attempt: int = 1
    started_at: dt.datetime
    continued_from_run_id: str | None = None
    headers: Headers = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    """Which attempt of an activity a signal is about."""

    workflow_id: str
    run_id: str
    workflow_type: str
    activity_id: str
    activity_type: str
    task_queue: str
    attempt: int
    is_local: bool = False
    headers: Headers = dataclasses.field(default_factory=dict)


workflow_started = Signal()
"""A run has made its first turn. Gives `run`."""

workflow_closed = Signal()
"""A run has ended. Gives `run`, `status`, `closed_at`, `failure`, `error` and `will_retry`.

`failure` is what is stored, None where it completed or continued as new; `error` is the exception that left
the workflow code, None where there was none in this process; `will_retry` says that a retry policy follows.
"""

workflow_held = Signal()
"""A turn failed in a way that holds its run. Gives `run`, `error` and `count`, 1 when it is new."""

activity_completed = Signal()
"""An attempt's result is recorded. Gives `attempt`."""

activity_failed = Signal()
"""An attempt failed or timed out. Gives `attempt`, `failure`, `error` and `final`.

`error` is the exception, None where it was raised in another process; `final` says that there is no further
attempt, and the workflow hears of it.
"""

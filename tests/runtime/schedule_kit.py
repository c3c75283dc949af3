"""A world with a schedule: ticks by a clock that a test moves, and what came of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from aion import client
from aion.authoring.registry import registry
from aion.client import ScheduleHandle, ScheduleSpec
from aion.models import Firing, Run
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.kit import SCRIPTS, Scripted, Waiting

MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
EVERY_MINUTE = "* * * * *"


def scheduled(spec: Any = EVERY_MINUTE, **options: Any) -> ScheduleHandle:
    """A schedule `s` of a workflow that waits for one signal `go`."""
    return client.create_schedule("s", Waiting, spec=spec, **options)


def move_to(clock: StandingClock, engine: Engine, at: dt.datetime) -> None:
    """Move the clock second by second would be slow: move it to a time, and tick there."""
    clock.at = at
    engine.tick()
    engine.turns()


def minutes(clock: StandingClock, engine: Engine, count: int) -> None:
    """Let minutes pass, with a tick and turns in each."""
    for _ in range(count):
        move_to(clock, engine, clock.at + MINUTE)


def started() -> list[str]:
    """The nominal times that have started runs, in their order, as hours and minutes."""
    rows = Firing.objects.filter(run_id__isnull=False).order_by("nominal_at", "id")
    return [f"{row.nominal_at:%H:%M}" for row in rows]


def open_ids() -> list[str]:
    return list(
        Run.objects.filter(closed_at__isnull=True)
        .order_by("workflow_id")
        .values_list("workflow_id", flat=True)
    )


def finish(engine: Engine, workflow_id: str = "") -> None:
    """Let an open run of `Waiting` complete, the only one or that of an id."""
    [found] = [workflow_id] if workflow_id else open_ids()
    client.get_workflow_handle(found).signal(Waiting.on_go)
    engine.turns()


def kinds(schedule: ScheduleHandle) -> list[str]:
    return [each.kind for each in schedule.fetch_history()]


def skipped(schedule: ScheduleHandle) -> list[tuple[str, int]]:
    """Why times were skipped, and how many, from the history."""
    return [
        (each.event.reason, each.event.count)  # type: ignore[attr-defined]
        for each in schedule.fetch_history()
        if each.kind == "ScheduleFiringSkipped"
    ]


__all__ = [
    "DAY",
    "EVERY_MINUTE",
    "HOUR",
    "MINUTE",
    "SCRIPTS",
    "START",
    "ScheduleSpec",
    "Scripted",
    "Waiting",
    "finish",
    "kinds",
    "minutes",
    "move_to",
    "open_ids",
    "registry",
    "scheduled",
    "skipped",
    "started",
]

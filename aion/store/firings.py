"""Firings: what became of the times of schedules. For holders of the schedule's lock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import IntegrityError

from aion.core.errors import StoreError
from aion.models import Firing, Schedule
from aion.models.schedules import FiringState
from aion.store.dialects import alias, atomic, connection, dialect
from aion.store.schedules import ended as run_ended


def insert(firings: Sequence[Firing]) -> None:
    """Write new firings. None of them may be there."""
    Firing.objects.using(alias()).bulk_create(firings)


def write(firing: Firing) -> None:
    """Write a firing, a new one or one that was read.

    Raises:
        StoreError: another firing has its time and key.
    """
    if not firing._state.adding:  # how Django itself tells
        firing.save(using=alias(), force_update=True)
        return
    try:
        with atomic():
            firing.save(using=alias(), force_insert=True)
    except IntegrityError as error:
        raise StoreError(
            f"The time {firing.nominal_at} of the schedule has fired already"
        ) from error


def _of(schedule: Schedule) -> Any:
    return Firing.objects.using(alias()).filter(schedule_id=schedule.id)


def in_state(schedule: Schedule, state: FiringState, *, limit: int | None = None) -> list[Firing]:
    """Read the firings of a state, in the order of their times."""
    return list(_of(schedule).filter(state=state).order_by("nominal_at", "id")[:limit])


def open_states(schedule: Schedule) -> set[FiringState]:
    """Say which states there are among the firings that something is still to come of."""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT state FROM aion_firing WHERE schedule_id = %s "
            "AND state IN ('asked', 'buffered', 'running')",
            [dialect().uuid(schedule.id)],
        )
        return {FiringState(row[0]) for row in cursor.fetchall()}


def leave(schedule: Schedule) -> None:
    """Follow the runs of a schedule no longer."""
    _of(schedule).filter(state=FiringState.RUNNING).update(state=FiringState.ENDED)


def ended(schedule: Schedule, *, limit: int) -> list[Firing]:
    """Read the firings that are counted as running and whose run is no longer open."""
    running = _of(schedule).filter(run_ended(), state=FiringState.RUNNING)
    return list(running.order_by("nominal_at", "id")[:limit])


def recent(schedule: Schedule, *, limit: int) -> list[Firing]:
    """Read the firings that started last, the newest first."""
    started = _of(schedule).filter(started_at__isnull=False)
    return list(started.order_by("-started_at", "-nominal_at")[:limit])


def of_key(schedule: Schedule, key: str) -> Firing | None:
    """Read the firing of a trigger; None when there is none."""
    found: Firing | None = _of(schedule).filter(key=key).first()
    return found


def at_times(schedule: Schedule, times: Iterable[dt.datetime]) -> dict[dt.datetime, Firing]:
    """Read the firings of times of the spec."""
    rows = _of(schedule).filter(key="", nominal_at__in=list(times))
    return {row.nominal_at: row for row in rows}


def is_taken(schedule: Schedule, nominal_at: dt.datetime) -> bool:
    """Tell whether any firing has this nominal time."""
    return bool(_of(schedule).filter(nominal_at=nominal_at).exists())

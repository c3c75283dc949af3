"""Say in a few words what each of some runs waits for: two statements for a page of a list."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from django.db.models import Count, Min

from aion.models import ActivityTask, Timer
from aion.store.dialects import alias


def glance(run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Give what open runs wait for: activities, else the next timer; else nothing."""
    if not run_ids:
        return {}
    said = {run_id: f"timer, {_text(at)}" for run_id, at in _timers(run_ids)}
    for run_id, count, name in _activities(run_ids):
        said[run_id] = name if count == 1 else f"{count:,} activities, {name} ..."
    return said


def _activities(run_ids: Sequence[uuid.UUID]) -> list[tuple[uuid.UUID, int, str]]:
    rows = (
        ActivityTask.objects.using(alias())
        .filter(run_id__in=run_ids)
        .values_list("run_id")
        .annotate(count=Count("id"), name=Min("activity_type"))
    )
    return list(rows)


def _timers(run_ids: Sequence[uuid.UUID]) -> list[tuple[uuid.UUID, dt.datetime]]:
    rows = (
        Timer.objects.using(alias())
        .filter(run_id__in=run_ids)
        .values_list("run_id")
        .annotate(at=Min("fire_at"))
    )
    return list(rows)


def _text(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")

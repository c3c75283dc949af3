"""Aion's entries in django-celery-beat: made after migrations, and yours to edit from then on."""

from __future__ import annotations

from typing import Any

from django.apps import apps

from aion.conf import settings

TICK_TASK = "aion.tick"
PRUNE_TASK = "aion.prune"


def ensure_entries(using: str = "default", **_: Any) -> None:
    """Make the entries that are not there; one that was edited or switched off stays as it is."""
    if using != settings.DATABASE or not apps.is_installed("django_celery_beat"):
        return
    if "django_celery_beat_periodictask" not in _tables(using):
        return
    # A queue that was blocked does not tick for each lost second.
    tick = "Looks at deadlines, dead workers and unclaimed work of Aion."
    _ensure(using, TICK_TASK, "aion: tick", settings.TICK_INTERVAL, expire=5, description=tick)
    prune = "Deletes old closed runs of Aion by the rules of AION['RETENTION']."
    _ensure(using, PRUNE_TASK, "aion: prune", settings.PRUNE_INTERVAL, expire=1, description=prune)


def _ensure(
    using: str, task: str, name: str, interval: float, *, expire: int, description: str
) -> None:
    """Make an entry; its messages expire after so many intervals."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    if PeriodicTask.objects.using(using).filter(task=task).exists():
        return
    seconds = max(round(interval), 1)
    every, _made = IntervalSchedule.objects.using(using).get_or_create(
        every=seconds, period=IntervalSchedule.SECONDS
    )
    PeriodicTask.objects.using(using).get_or_create(
        name=name,
        defaults={
            "task": task,
            "interval": every,
            "expire_seconds": expire * seconds,
            "description": description,
        },
    )


def _tables(using: str) -> list[str]:
    from django.db import connections

    return connections[using].introspection.table_names()

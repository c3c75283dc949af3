"""The tick's entry in django-celery-beat: made after migrations, and yours to edit from then on."""

from __future__ import annotations

from typing import Any

from django.apps import apps

from aion.conf import settings

TICK_TASK = "aion.tick"
ENTRY = "aion: tick"


def ensure_tick(using: str = "default", **_: Any) -> None:
    """Make the entry if there is none; an entry that was edited or switched off stays as it is."""
    if using != settings.DATABASE or not apps.is_installed("django_celery_beat"):
        return
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    if "django_celery_beat_periodictask" not in _tables(using):
        return
    if PeriodicTask.objects.using(using).filter(task=TICK_TASK).exists():
        return
    seconds = max(round(settings.TICK_INTERVAL), 1)
    every, _made = IntervalSchedule.objects.using(using).get_or_create(
        every=seconds, period=IntervalSchedule.SECONDS
    )
    PeriodicTask.objects.using(using).get_or_create(
        name=ENTRY,
        defaults={
            "task": TICK_TASK,
            "interval": every,
            "expire_seconds": 5
            * seconds,  # a queue that was blocked does not tick for each lost second
            "description": "Looks at deadlines, dead workers and unclaimed work of Aion.",
        },
    )


def _tables(using: str) -> list[str]:
    from django.db import connections

    return connections[using].introspection.table_names()

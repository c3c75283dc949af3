"""The tick's entry in django-celery-beat: there after migrations, and yours from then on."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from aion_engine.runtime import periodic

pytestmark = pytest.mark.django_db


def entry() -> PeriodicTask:
    return PeriodicTask.objects.get(task=periodic.TICK_TASK)


def test_migrating_makes_the_entry() -> None:
    PeriodicTask.objects.all().delete()

    call_command("migrate", verbosity=0)

    assert (entry().interval.every, entry().interval.period) == (1, IntervalSchedule.SECONDS)
    assert entry().enabled
    assert entry().expire_seconds == 5


def test_an_entry_that_was_edited_or_switched_off_stays() -> None:
    every, _ = IntervalSchedule.objects.get_or_create(every=3, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.filter(task=periodic.TICK_TASK).update(
        name="mine", enabled=False, interval=every
    )

    periodic.ensure_entries()

    assert (entry().name, entry().enabled, entry().interval.every) == ("mine", False, 3)


def test_another_database_gets_no_entry() -> None:
    PeriodicTask.objects.all().delete()

    periodic.ensure_entries(using="other")

    assert not PeriodicTask.objects.exists()

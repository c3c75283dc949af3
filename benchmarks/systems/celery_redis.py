"""Bare Celery tasks through Redis, for the scale: nothing of them survives a crash."""

from __future__ import annotations

import os
import secrets
from typing import Final

NEEDS: Final = ("AION_TEST_REDIS_URL",)
CASES: Final = {
    "starts": "benchmarks.on_celery.tasks_per_second:sent",
    "trivial_workflows": "benchmarks.on_celery.tasks_per_second:done",
    "start_to_result": "benchmarks.on_celery.round_trip:round_trip",
}


def prepare() -> None:
    """There is nothing to make."""


def begin() -> None:
    """Set up Django with a queue of this process's own."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.on_celery.settings"
    os.environ["AION_BENCHMARKS_QUEUE"] = f"aion-benchmarks-{secrets.token_hex(4)}"
    django.setup()

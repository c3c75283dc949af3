"""Bare Celery through Redis, for the scale: nothing of its tasks survives a crash."""

from __future__ import annotations

import os
import secrets
from typing import Final

NEEDS: Final = ("AION_TEST_REDIS_URL",)
PACKAGES: Final[tuple[str, ...]] = ()
CASES: Final = {
    "starts": "benchmarks.on_celery.tasks_per_second:sent",
    "trivial_workflows": "benchmarks.on_celery.tasks_per_second:drained",
    "ten_steps_throughput": "benchmarks.on_celery.tasks_per_second:chains",
    "remote_activities": "benchmarks.on_celery.tasks_per_second:sent_and_done",
    "sequential_step": "benchmarks.on_celery.tasks_per_second:one_chain",
    "start_to_result": "benchmarks.on_celery.round_trip:round_trip",
    "start_to_first_activity": "benchmarks.on_celery.round_trip:start_to_begin",
    "fan_out": "benchmarks.on_celery.tasks_per_second:one_chord",
}
QUICK: Final = ("remote_activities", "start_to_result")


def prepare() -> None:
    """There is nothing to make."""


def begin() -> None:
    """Set up Django with a queue of this process's own."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.on_celery.settings"
    os.environ["AION_BENCHMARKS_QUEUE"] = f"aion-benchmarks-{secrets.token_hex(4)}"
    django.setup()

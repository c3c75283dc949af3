"""Retry an activity."""

from __future__ import annotations

from typing import Any

from aion.client import ActivityHandle
from aion.management.activity_command import ActivityCommand


class Command(ActivityCommand):
    """`manage.py retry_activity order-42 3`."""

    help = "Ends an activity's wait for its next attempt."
    done = "is tried again now"

    def act_on(self, activity: ActivityHandle, **options: Any) -> None:
        """Retry it."""
        activity.retry_now()

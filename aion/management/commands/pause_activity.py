"""Pause an activity."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion.client import ActivityHandle
from aion.management.activity_command import ActivityCommand, add_signature


class Command(ActivityCommand):
    """`manage.py pause_activity order-42 3`."""

    help = "Lets an activity not be begun until it is unpaused; a running attempt is told."
    done = "paused"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        add_signature(parser)

    def act_on(self, activity: ActivityHandle, **options: Any) -> None:
        """Pause it."""
        activity.pause(options["reason"], by=options["by"])

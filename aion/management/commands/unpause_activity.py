"""Unpause an activity."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion.client import ActivityHandle
from aion.management.activity_command import ActivityCommand, add_jitter


class Command(ActivityCommand):
    """`manage.py unpause_activity order-42 3`."""

    help = "Lets an activity go on that was paused by hand."
    done = "unpaused"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        add_jitter(parser)
        parser.add_argument(
            "--reset-attempts", action="store_true", help="begin at the first attempt again"
        )

    def act_on(self, activity: ActivityHandle, **options: Any) -> None:
        """Unpause it."""
        activity.unpause(
            reset_attempts=options["reset_attempts"],
            reset_heartbeat=options["reset_heartbeat"],
            jitter=options["jitter"],
        )

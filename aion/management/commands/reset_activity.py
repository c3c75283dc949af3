"""Reset an activity."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion.client import ActivityHandle
from aion.management.activity_command import ActivityCommand, add_jitter


class Command(ActivityCommand):
    """`manage.py reset_activity order-42 3`."""

    help = "Lets an activity begin at its first attempt again."
    done = "reset"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        add_jitter(parser)
        parser.add_argument("--keep-paused", action="store_true", help="if it is paused")

    def act_on(self, activity: ActivityHandle, **options: Any) -> None:
        """Reset it."""
        activity.reset(
            reset_heartbeat=options["reset_heartbeat"],
            keep_paused=options["keep_paused"],
            jitter=options["jitter"],
        )

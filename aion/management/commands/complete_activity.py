"""Complete an activity."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion.client import ActivityHandle
from aion.management.activity_command import ActivityCommand, add_signature
from aion.management.run_command import json_value


class Command(ActivityCommand):
    """`manage.py complete_activity order-42 3 '"paid"'`."""

    help = "Gives an activity its result by hand. The result is a JSON value."
    done = "completed"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "result", nargs="?", type=json_value, default=None, metavar="JSON", help="default: null"
        )
        add_signature(parser)

    def act_on(self, activity: ActivityHandle, **options: Any) -> None:
        """Complete it."""
        activity.complete(options["result"], reason=options["reason"], by=options["by"])

"""Fail an activity."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion import ApplicationError
from aion.client import ActivityHandle
from aion.management.activity_command import ActivityCommand, add_signature


class Command(ActivityCommand):
    """`manage.py fail_activity order-42 3 --message '...'`."""

    help = "Fails an activity for good by hand, whatever its retry policy."
    done = "failed"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("--message", default="failed by hand", help="what the workflow sees")
        parser.add_argument("--type", default="", help="the type of the failure")
        add_signature(parser)

    def act_on(self, activity: ActivityHandle, **options: Any) -> None:
        """Fail it."""
        error = ApplicationError(options["message"], type=options["type"])
        activity.fail(error, reason=options["reason"], by=options["by"])

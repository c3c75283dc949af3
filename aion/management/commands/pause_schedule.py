"""Pause a schedule."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion.client import ScheduleHandle
from aion.management.schedule_command import ScheduleCommand


class Command(ScheduleCommand):
    """`manage.py pause_schedule nightly --note "..."`."""

    help = "Lets no time of a schedule fire until it is resumed; its runs go on."
    done = "paused"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the note."""
        super().add_arguments(parser)
        parser.add_argument("--note", default="", help="why; kept with the schedule")

    def act_on(self, schedule: ScheduleHandle, **options: Any) -> None:
        """Pause it."""
        schedule.pause(options["note"])

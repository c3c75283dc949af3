"""Describe a schedule."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion import client
from aion.core.plain import plain
from aion.management.description_text import described
from aion.management.run_command import AionCommand


class Command(AionCommand):
    """`manage.py describe_schedule nightly`."""

    help = "Says what a schedule is told, where it stands, when it fires next and what it started."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the schedule."""
        super().add_arguments(parser)
        parser.add_argument("schedule_id", help="the schedule id")

    def act(self, **options: Any) -> None:
        """Describe it."""
        found = client.get_schedule_handle(options["schedule_id"]).describe()
        self.answer("\n".join(described(found)), plain(found), as_json=options["json"])

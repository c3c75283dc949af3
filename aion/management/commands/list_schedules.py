"""List schedules."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandParser

from aion import client
from aion.client import ScheduleSummary
from aion.core.plain import plain
from aion.management.run_command import AionCommand, moment, table


class Command(AionCommand):
    """`manage.py list_schedules --paused`."""

    help = "Lists schedules in the order of their ids."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the filters and the page."""
        super().add_arguments(parser)
        parser.add_argument(
            "--paused",
            action=argparse.BooleanOptionalAction,
            default=None,
            help="only paused ones, or only others",
        )
        parser.add_argument("--type", default="", metavar="TYPE", help="the workflow type")
        parser.add_argument("--limit", type=int, default=100, metavar="N", help="default: 100")
        parser.add_argument("--after", default="", metavar="ID", help="those behind this id")

    def act(self, **options: Any) -> None:
        """List them."""
        found = client.list_schedules(
            after=options["after"],
            limit=options["limit"],
            paused=options["paused"],
            workflow_type=options["type"],
        )
        headings = ("SCHEDULE ID", "TYPE", "STATE", "NEXT", "NOTE")
        text = table(headings, [_row(schedule) for schedule in found]) if found else "No schedules"
        self.answer(text, {"schedules": plain(found)}, as_json=options["json"])


def _row(schedule: ScheduleSummary) -> tuple[str, ...]:
    state = "paused" if schedule.paused else "active"
    if schedule.problem:
        state += " (problem)"
    soon = None if schedule.paused else schedule.next_at
    return schedule.schedule_id, schedule.workflow_type, state, moment(soon), schedule.note

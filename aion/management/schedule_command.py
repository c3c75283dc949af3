"""What the commands about one schedule share."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from aion import client
from aion.client import ScheduleHandle
from aion.management.run_command import AionCommand, moment


class ScheduleCommand(AionCommand):
    """A command about one schedule, by its id."""

    done: ClassVar[str] = "done"
    """What the answer says happened, as a participle."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the schedule."""
        super().add_arguments(parser)
        parser.add_argument("schedule_id", help="the schedule id")

    def act(self, **options: Any) -> None:
        """Do it to the schedule, and say where it stands then."""
        schedule = client.get_schedule_handle(options["schedule_id"])
        self.act_on(schedule, **options)
        found = schedule.describe()
        soon = found.next_times[0] if found.next_times else None
        data = {
            "schedule_id": found.schedule_id,
            "paused": found.paused,
            "next_at": soon,
            "done": self.done,
        }
        text = f"{found.schedule_id}: {self.done} (next {moment(soon)})"
        self.answer(text, data, as_json=options["json"])

    def act_on(self, schedule: ScheduleHandle, **options: Any) -> None:
        """Do it."""
        raise NotImplementedError

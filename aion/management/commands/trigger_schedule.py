"""Fire a schedule now."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.management.base import CommandParser

from aion import client
from aion.management.run_command import AionCommand


class Command(AionCommand):
    """`manage.py trigger_schedule nightly`."""

    help = "Fires a schedule now, also a paused one, and says what came of it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the schedule and how it fires."""
        super().add_arguments(parser)
        parser.add_argument("schedule_id", help="the schedule id")
        parser.add_argument(
            "--overlap",
            default=None,
            choices=[policy.value for policy in client.OverlapPolicy],
            help="this once, instead of the schedule's own",
        )
        parser.add_argument("--request-id", default="", help="makes a repeated call harmless")

    def act(self, **options: Any) -> None:
        """Fire it."""
        schedule = client.get_schedule_handle(options["schedule_id"])
        firing = schedule.trigger(options["overlap"], request_id=options["request_id"])
        text = f"{schedule.schedule_id}: {firing.state}"
        if firing.outcome:
            text += f", {firing.outcome}"
        if firing.run_id is not None:
            text += f" ({firing.workflow_id}, run {firing.run_id})"
        data = {"schedule_id": schedule.schedule_id, **dataclasses.asdict(firing)}
        self.answer(text, data, as_json=options["json"])

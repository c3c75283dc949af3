"""Signal a run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion.client import WorkflowHandle
from aion.management.run_command import RunCommand, add_values


class Command(RunCommand):
    """`manage.py signal_workflow order-42 approve '"ann"'`."""

    help = "Sends a signal to a run. Arguments are JSON values."
    done = "signalled"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the signal."""
        super().add_arguments(parser)
        parser.add_argument("signal", help="the signal's name")
        add_values(parser, "signal")
        parser.add_argument("--request-id", default="", help="makes a repeated call harmless")

    def act_on(self, handle: WorkflowHandle, **options: Any) -> None:
        """Signal it."""
        handle.signal(
            options["signal"],
            *options["arguments"],
            kwargs=options["kwargs"],
            request_id=options["request_id"],
        )

"""Pause a run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion.client import WorkflowHandle
from aion.management.run_command import RunCommand, add_reason


class Command(RunCommand):
    """`manage.py pause_workflow order-42 --reason "..."`."""

    help = "Lets a run make no further turn until it is resumed."
    done = "paused"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the reason."""
        super().add_arguments(parser)
        add_reason(parser)

    def act_on(self, handle: WorkflowHandle, **options: Any) -> None:
        """Pause it."""
        handle.pause(options["reason"])

"""Resume a run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion.client import WorkflowHandle
from aion.management.run_command import RunCommand, add_reason


class Command(RunCommand):
    """`manage.py resume_workflow order-42 --reason "..."`."""

    help = "Lets a paused run go on with what has waited for it."
    done = "resumed"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the reason."""
        super().add_arguments(parser)
        add_reason(parser)

    def act_on(self, handle: WorkflowHandle, **options: Any) -> None:
        """Resume it."""
        handle.resume(options["reason"])

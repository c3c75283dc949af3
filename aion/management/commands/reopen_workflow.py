"""Reopen a closed run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion.client import WorkflowHandle
from aion.management.run_command import RunCommand, add_reason


class Command(RunCommand):
    """`manage.py reopen_workflow order-42 --reason "..."`."""

    help = "Lets a failed, cancelled, timed out or terminated run go on from before its failure."
    done = "reopened"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the reason."""
        super().add_arguments(parser)
        add_reason(parser)

    def act_on(self, handle: WorkflowHandle, **options: Any) -> None:
        """Reopen it."""
        handle.reopen(options["reason"])

"""Pause a run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion import client
from aion.client import BulkResult, WorkflowHandle
from aion.management.many_runs_command import ManyRunsCommand
from aion.management.run_command import add_reason


class Command(ManyRunsCommand):
    """`manage.py pause_workflow order-42 --reason "..."`, or `--query "..."` for many."""

    help = "Lets a run make no further turn until it is resumed."
    done = "paused"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the reason."""
        super().add_arguments(parser)
        add_reason(parser)

    def act_on(self, handle: WorkflowHandle, **options: Any) -> None:
        """Pause it."""
        handle.pause(options["reason"])

    def act_on_many(self, query: str, options: dict[str, Any], walk: dict[str, Any]) -> BulkResult:
        """Pause them."""
        return client.pause_workflows(query, reason=options["reason"], **walk)

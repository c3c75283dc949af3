"""Terminate a run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion import client
from aion.client import BulkResult, WorkflowHandle
from aion.management.many_runs_command import ManyRunsCommand
from aion.management.run_command import add_reason


class Command(ManyRunsCommand):
    """`manage.py terminate_workflow order-42 --reason "..."`, or `--query "..."` for many."""

    help = "Ends a run at once, without running its code."
    done = "terminated"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the reason."""
        super().add_arguments(parser)
        add_reason(parser)

    def act_on(self, handle: WorkflowHandle, **options: Any) -> None:
        """End it."""
        handle.terminate(options["reason"])

    def act_on_many(self, query: str, options: dict[str, Any], walk: dict[str, Any]) -> BulkResult:
        """End them."""
        return client.terminate_workflows(query, reason=options["reason"], **walk)

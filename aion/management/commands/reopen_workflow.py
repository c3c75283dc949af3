"""Reopen a closed run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion import client
from aion.client import BulkResult, WorkflowHandle
from aion.management.many_runs_command import ManyRunsCommand
from aion.management.run_command import add_reason


class Command(ManyRunsCommand):
    """`manage.py reopen_workflow order-42 --reason "..."`, or `--query "..."` for many."""

    help = "Lets a failed, cancelled, timed out or terminated run go on from before its failure."
    done = "reopened"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the reason."""
        super().add_arguments(parser)
        add_reason(parser)

    def act_on(self, handle: WorkflowHandle, **options: Any) -> None:
        """Reopen it."""
        handle.reopen(options["reason"])

    def act_on_many(self, query: str, options: dict[str, Any], walk: dict[str, Any]) -> BulkResult:
        """Reopen them."""
        return client.reopen_workflows(query, reason=options["reason"], **walk)

"""Release a held run."""

from __future__ import annotations

from typing import Any

from aion import client
from aion.client import BulkResult, WorkflowHandle
from aion.management.many_runs_command import ManyRunsCommand


class Command(ManyRunsCommand):
    """`manage.py release_workflow order-42`, or `--query "..."` for many."""

    help = "Lets a held run try again now, with the code that the workers have."
    done = "released"

    def act_on(self, handle: WorkflowHandle, **options: Any) -> None:
        """Release it."""
        handle.release()

    def act_on_many(self, query: str, options: dict[str, Any], walk: dict[str, Any]) -> BulkResult:
        """Release them."""
        return client.release_workflows(query, **walk)

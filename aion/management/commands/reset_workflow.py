"""Reset a run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion import client
from aion.client import BulkResult, ResetPoint, WorkflowHandle
from aion.management.many_runs_command import ManyRunsCommand
from aion.management.run_command import add_reason, usage


class Command(ManyRunsCommand):
    """`manage.py reset_workflow order-42 --to-seq 17`, or `--query "..." --to start` for many."""

    help = "Goes on from an event of a run's history, as a new run of the same workflow id."
    done = "reset"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the place."""
        super().add_arguments(parser)
        parser.add_argument(
            "--to-seq", type=int, default=None, metavar="SEQ", help="the last event to keep"
        )
        parser.add_argument(
            "--to", default=None, choices=list(ResetPoint), help="where to, with --query"
        )
        parser.add_argument(
            "--drop-signals",
            action="store_true",
            help="do not send the signals again that came behind it",
        )
        add_reason(parser)

    def act_on(self, handle: WorkflowHandle, **options: Any) -> dict[str, Any]:
        """Reset it."""
        if options["to_seq"] is None or options["to"] is not None:
            raise usage("one run is reset --to-seq SEQ")
        new = handle.reset(
            options["to_seq"], options["reason"], reapply_signals=not options["drop_signals"]
        )
        return {"run_id": new.run_id}

    def act_on_many(self, query: str, options: dict[str, Any], walk: dict[str, Any]) -> BulkResult:
        """Reset them."""
        if options["to"] is None or options["to_seq"] is not None:
            raise usage("many runs are reset --to start or --to last")
        return client.reset_workflows(
            query,
            to=options["to"],
            reason=options["reason"],
            reapply_signals=not options["drop_signals"],
            **walk,
        )

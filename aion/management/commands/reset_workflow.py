"""Reset a run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion.client import WorkflowHandle
from aion.management.run_command import RunCommand, add_reason


class Command(RunCommand):
    """`manage.py reset_workflow order-42 --to-seq 17`."""

    help = "Goes on from an event of a run's history, as a new run of the same workflow id."
    done = "reset"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the place."""
        super().add_arguments(parser)
        parser.add_argument(
            "--to-seq", type=int, required=True, metavar="SEQ", help="the last event to keep"
        )
        parser.add_argument(
            "--drop-signals",
            action="store_true",
            help="do not send the signals again that came behind it",
        )
        add_reason(parser)

    def act_on(self, handle: WorkflowHandle, **options: Any) -> dict[str, Any]:
        """Reset it."""
        new = handle.reset(
            options["to_seq"], options["reason"], reapply_signals=not options["drop_signals"]
        )
        return {"run_id": new.run_id}

"""Signal a run, or many."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion import client
from aion.client import BulkResult, WorkflowHandle
from aion.management.many_runs_command import ManyRunsCommand
from aion.management.run_command import json_object, json_value, usage


class Command(ManyRunsCommand):
    """`manage.py signal_workflow order-42 approve '"ann"'`; with `--query` there is no workflow id."""

    help = "Sends a signal to a run, or to all of a query. Arguments are JSON values."
    done = "signalled"

    def add_workflow_id(self, parser: CommandParser) -> None:
        """Add the run, the signal and its arguments: only the query says which word is which."""
        parser.add_argument(
            "words",
            nargs="+",
            metavar="WORD",
            help="WORKFLOW_ID SIGNAL [JSON ...], or with --query: SIGNAL [JSON ...]",
        )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what goes with the signal."""
        super().add_arguments(parser)
        parser.add_argument(
            "--kwargs",
            type=json_object,
            default={},
            metavar="JSON",
            help="keyword arguments, an object",
        )
        parser.add_argument("--request-id", default="", help="makes a repeated call harmless")

    def act(self, **options: Any) -> None:
        """Read the words and signal."""
        words = list(options["words"])
        workflow_id = words.pop(0) if options["query"] is None else None
        if not words:
            raise usage("a workflow id and a signal are needed, or --query and a signal")
        signal, *arguments = words
        values = [json_value(text) for text in arguments]
        super().act(**{**options, "workflow_id": workflow_id, "signal": signal, "values": values})

    def act_on(self, handle: WorkflowHandle, **options: Any) -> None:
        """Signal it."""
        handle.signal(
            options["signal"],
            *options["values"],
            kwargs=options["kwargs"],
            request_id=options["request_id"],
        )

    def act_on_many(self, query: str, options: dict[str, Any], walk: dict[str, Any]) -> BulkResult:
        """Signal them."""
        return client.signal_workflows(
            query,
            options["signal"],
            *options["values"],
            kwargs=options["kwargs"],
            request_id=options["request_id"],
            **walk,
        )

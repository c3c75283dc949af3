"""Query a run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion import client
from aion.core.plain import plain
from aion.management.run_command import RunCommand, add_values, to_json


class Command(RunCommand):
    """`manage.py query_workflow order-42 status`."""

    help = "Asks a run's code, open or closed. The answer is written as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the query."""
        super().add_arguments(parser)
        parser.add_argument("query", help="the query's name, or __stack_trace")
        add_values(parser, "query")

    def act(self, **options: Any) -> None:
        """Ask it."""
        handle = client.get_workflow_handle(options["workflow_id"], options["run_id"])
        answer = handle.query(options["query"], *options["arguments"], kwargs=options["kwargs"])
        if isinstance(answer, str) and not options["json"]:
            self.stdout.write(answer)
        else:
            self.stdout.write(to_json(plain(answer)))

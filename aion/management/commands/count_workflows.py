"""Count runs."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.management.base import CommandParser

from aion import client
from aion.client import WorkflowCount
from aion.management.commands.list_workflows import add_filters, filters_of
from aion.management.run_command import AionCommand, table


class Command(AionCommand):
    """`manage.py count_workflows --group-by status`."""

    help = "Counts runs up to a cap; a number with a + says that there are more."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the query, filters and the groups."""
        super().add_arguments(parser)
        add_filters(parser)
        parser.add_argument("--group-by", default="", choices=["status", "type"])
        parser.add_argument(
            "--cap", type=int, default=10_000, metavar="N", help="count no further (10000)"
        )

    def act(self, **options: Any) -> None:
        """Count them."""
        counted = client.count_workflows(
            options["query"],
            group_by=options["group_by"],
            cap=options["cap"],
            **filters_of(options),
        )
        text = _number(counted)
        if options["group_by"]:
            groups = [(name, _number(group)) for name, group in counted.groups.items()]
            text = table((options["group_by"].upper(), "RUNS"), [*groups, ("in all", text)])
        self.answer(text, dataclasses.asdict(counted), as_json=options["json"])


def _number(counted: WorkflowCount) -> str:
    return f"{counted.count}{'+' if counted.is_capped else ''}"

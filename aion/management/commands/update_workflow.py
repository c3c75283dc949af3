"""Update a run: send a message and wait for its answer."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion.client import WorkflowHandle
from aion.core.plain import plain
from aion.management.run_command import RunCommand, add_values


class Command(RunCommand):
    """`manage.py update_workflow order-42 set_address '"Main Street 1"'`."""

    help = "Sends an update to a run and waits for the answer. Arguments are JSON values."
    done = "updated"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the update."""
        super().add_arguments(parser)
        parser.add_argument("update", help="the update's name")
        add_values(parser, "update")
        parser.add_argument(
            "--id", default="", help="the update id: makes a repeated call harmless"
        )
        parser.add_argument(
            "--timeout", type=float, default=60.0, metavar="SECONDS", help="default: 60"
        )

    def act_on(self, handle: WorkflowHandle, **options: Any) -> dict[str, Any]:
        """Update it."""
        answer = handle.execute_update(
            options["update"],
            *options["arguments"],
            kwargs=options["kwargs"],
            id=options["id"],
            timeout=options["timeout"],
        )
        return {"answer": plain(answer)}

"""Say everything about a run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion import client
from aion.client import WorkflowHandle
from aion.core.plain import plain
from aion.management.description_text import described, events
from aion.management.run_command import RunCommand, to_json


class Command(RunCommand):
    """`manage.py describe_workflow order-42 --history`."""

    help = "Describes a run: its state, what it waits for, its failure, its history."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("--history", action="store_true", help="with the events of its history")
        parser.add_argument(
            "--stack", action="store_true", help="with the lines of code where it waits"
        )

    def act(self, **options: Any) -> None:
        """Describe it."""
        handle = client.get_workflow_handle(options["workflow_id"], options["run_id"])
        description = handle.describe()
        run = WorkflowHandle(description.workflow_id, description.run_id)
        stack = run.query("__stack_trace") if options["stack"] else None
        history = run.fetch_history() if options["history"] else []
        if options["json"]:
            data = plain(description)
            if options["stack"]:
                data["stack"] = stack
            if options["history"]:
                data["history"] = [
                    {
                        "seq": one.seq,
                        "recorded_at": one.recorded_at,
                        "kind": one.kind,
                        "attributes": one.attributes,
                    }
                    for one in history
                ]
            self.stdout.write(to_json(data))
            return
        for line in described(description):
            self.stdout.write(line)
        if stack:
            self.stdout.write(f"\n{stack}")
        if history:
            self.stdout.write("")
        for line in events(history):
            self.stdout.write(line)

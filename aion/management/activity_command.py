"""What the commands about one pending activity share."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from aion import client
from aion.client import ActivityHandle
from aion.management.run_command import AionCommand, seconds


class ActivityCommand(AionCommand):
    """A command about a pending activity, by the workflow id of its run and its own id."""

    done: ClassVar[str] = "done"
    """What the answer says happened, as a participle."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the activity."""
        super().add_arguments(parser)
        parser.add_argument("workflow_id", help="the workflow id")
        parser.add_argument("activity_id", help="as describe_workflow shows it")
        parser.add_argument(
            "--run-id", default=None, metavar="UUID", help="of this run, not the open one"
        )

    def act(self, **options: Any) -> None:
        """Do it to the activity."""
        handle = client.get_workflow_handle(options["workflow_id"], options["run_id"])
        activity = handle.activity(options["activity_id"])
        self.act_on(activity, **options)
        data = {
            "workflow_id": activity.workflow_id,
            "activity_id": activity.activity_id,
            "done": self.done,
        }
        text = f"{activity.workflow_id}: activity {activity.activity_id} {self.done}"
        self.answer(text, data, as_json=options["json"])

    def act_on(self, activity: ActivityHandle, **options: Any) -> None:
        """Do it."""
        raise NotImplementedError


def add_signature(parser: CommandParser) -> None:
    """Add why and by whom."""
    parser.add_argument("--reason", default="", help="why; kept and shown")
    parser.add_argument("--by", default="", help="who does it; kept and shown")


def add_jitter(parser: CommandParser) -> None:
    """Add `--reset-heartbeat`, and the time within which the activity goes on."""
    parser.add_argument(
        "--reset-heartbeat", action="store_true", help="forget the details of its heartbeats"
    )
    parser.add_argument(
        "--jitter", type=seconds, default=None, metavar="SECONDS", help="go on within this time"
    )

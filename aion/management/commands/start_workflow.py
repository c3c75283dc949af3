"""Start a workflow."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aion import RetryPolicy, client
from aion.core.plain import plain
from aion.core.priority import DEFAULT
from aion.management.run_command import (
    AionCommand,
    add_values,
    json_object,
    seconds,
    to_json,
    usage,
)


class Command(AionCommand):
    """`manage.py start_workflow Checkout 42 --id order-42`."""

    help = "Starts a workflow by its type name. Arguments are JSON values."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options of a start."""
        super().add_arguments(parser)
        parser.add_argument("workflow", help="the workflow's type name")
        add_values(parser, "workflow")
        parser.add_argument("--id", default="", help="the workflow id (default: a new UUID)")
        parser.add_argument("--request-id", default="", help="makes a repeated call harmless")
        parser.add_argument("--task-queue", default="")
        parser.add_argument(
            "--priority", type=int, default=DEFAULT, help="from 1, which goes first, to 5"
        )
        parser.add_argument(
            "--id-reuse-policy",
            default=client.IdReusePolicy.ALLOW,
            choices=[policy.value for policy in client.IdReusePolicy],
        )
        parser.add_argument(
            "--id-conflict-policy",
            default=client.IdConflictPolicy.FAIL,
            choices=[policy.value for policy in client.IdConflictPolicy],
        )
        for name in ("start-delay", "execution-timeout", "run-timeout"):
            parser.add_argument(f"--{name}", type=seconds, default=None, metavar="SECONDS")
        for name in ("memo", "search-attributes"):
            parser.add_argument(f"--{name}", type=json_object, default=None, metavar="JSON")
        parser.add_argument(
            "--retry-attempts",
            type=int,
            default=None,
            metavar="N",
            help="try a run that fails or times out again, N times in all; 0 is without end",
        )
        parser.add_argument("--cron", default="", help="run again and again at these times")
        parser.add_argument("--time-zone", default="", help="of the cron expression (default: UTC)")
        parser.add_argument(
            "--wait",
            type=float,
            default=None,
            metavar="SECONDS",
            help="wait for the result and write it",
        )

    def act(self, **options: Any) -> None:
        """Start it, and wait for it if asked to."""
        taken = (
            "id",
            "kwargs",
            "request_id",
            "task_queue",
            "priority",
            "id_reuse_policy",
            "id_conflict_policy",
            "start_delay",
            "execution_timeout",
            "run_timeout",
            "memo",
            "search_attributes",
            "cron",
            "time_zone",
        )
        handle = client.start_workflow(
            options["workflow"],
            *options["arguments"],
            retry=_retry(options["retry_attempts"]),
            **{name: options[name] for name in taken},
        )
        data: dict[str, Any] = {
            "workflow_id": handle.workflow_id,
            "run_id": handle.run_id,
            "created": handle.created,
        }
        text = f"{handle.workflow_id}: {'started' if handle.created else 'was there'} (run {handle.run_id})"
        if options["wait"] is not None:
            data["result"] = plain(handle.result(options["wait"], type=Any))
            text += f"\n{to_json(data['result'])}"
        self.answer(text, data, as_json=options["json"])


def _retry(attempts: int | None) -> RetryPolicy | None:
    try:
        return None if attempts is None else RetryPolicy(maximum_attempts=attempts)
    except ValueError as error:
        raise usage(f"--retry-attempts: {error}") from error

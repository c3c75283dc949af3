"""What the commands about workflows share: the run they are about, JSON in and out, exit codes.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage (argparse's own), 3 there is no such run, schedule or
type, 4 its state does not allow it (closed, not paused, id taken), 5 the time ran out.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from aion import client
from aion.client import WorkflowHandle
from aion.core import errors
from aion.core.errors import AionError
from aion.core.nesting import read_json
from aion.core.plain import plain

USAGE: Final = 2
NOT_FOUND: Final = 3
WRONG_STATE: Final = 4
TIMED_OUT: Final = 5

_CODES: Final[dict[type[AionError], int]] = {
    errors.RunNotFound: NOT_FOUND,
    errors.UnknownType: NOT_FOUND,
    errors.UnknownQuery: NOT_FOUND,
    errors.ActivityNotFound: NOT_FOUND,
    errors.ScheduleNotFound: NOT_FOUND,
    errors.InvalidListQuery: USAGE,
    errors.RunClosed: WRONG_STATE,
    errors.WrongState: WRONG_STATE,
    errors.WorkflowAlreadyStarted: WRONG_STATE,
    errors.ResultTimeout: TIMED_OUT,
}


class AionCommand(BaseCommand):
    """A command that reports Aion's errors by code and can answer in JSON."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--json`."""
        parser.add_argument("--json", action="store_true", help="write the answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Act, and turn what Aion refuses into an exit code."""
        try:
            self.act(**options)
        except (AionError, TypeError) as error:
            raise refused(error) from error

    def act(self, **options: Any) -> None:
        """Do what the command is for."""
        raise NotImplementedError

    _is_on_progress_line = False

    def progress(self, text: str) -> None:
        """Write how far the command is, over the last line of its kind; files and pipes get none."""
        if self.stderr.isatty():
            self.stderr.write(f"\r{text} ", ending="")
            self.stderr.flush()
            self._is_on_progress_line = True

    def end_progress(self) -> None:
        """Begin a new line if the progress stands on this one."""
        if self._is_on_progress_line:
            self.stderr.write("")
            self._is_on_progress_line = False

    def answer(self, text: str, data: dict[str, Any], *, as_json: bool) -> None:
        """Write the answer, as text or as one JSON object."""
        self.end_progress()
        self.stdout.write(to_json(data) if as_json else text)


class RunCommand(AionCommand):
    """A command about one run: by workflow id, its open run or else the newest, or by `--run-id`."""

    done: ClassVar[str] = "done"
    """What the answer says happened, as a participle."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the run."""
        super().add_arguments(parser)
        self.add_workflow_id(parser)
        parser.add_argument(
            "--run-id", default=None, metavar="UUID", help="this run, not the open or newest one"
        )

    def add_workflow_id(self, parser: CommandParser) -> None:
        """Add the workflow id."""
        parser.add_argument("workflow_id", help="the workflow id")

    def act(self, **options: Any) -> None:
        """Do it to the run, and say what was done to which."""
        handle = client.get_workflow_handle(options["workflow_id"], options["run_id"])
        more = self.act_on(handle, **options) or {}
        status = client.get_workflow_handle(
            handle.workflow_id, more.get("run_id", handle.run_id)
        ).describe()
        data = {
            "workflow_id": status.workflow_id,
            "run_id": status.run_id,
            "status": status.status,
            "done": self.done,
            **more,
        }
        text = f"{status.workflow_id}: {self.done} (run {status.run_id}, {status.status})"
        self.answer(text, data, as_json=options["json"])

    def act_on(self, handle: WorkflowHandle, **options: Any) -> dict[str, Any] | None:
        """Do it; give what the JSON answer says besides."""
        raise NotImplementedError


def add_reason(parser: CommandParser) -> None:
    """Add `--reason`, which history keeps."""
    parser.add_argument("--reason", default="", help="why; kept in the history")


def add_values(parser: CommandParser, what: str) -> None:
    """Add arguments for the workflow's code, each a JSON value."""
    parser.add_argument(
        "arguments", nargs="*", type=json_value, metavar="JSON", help=f"arguments of the {what}"
    )
    parser.add_argument(
        "--kwargs",
        type=json_object,
        default={},
        metavar="JSON",
        help="keyword arguments, an object",
    )


def seconds(text: str) -> dt.timedelta:
    """Read an option that is a number of seconds."""
    try:
        return dt.timedelta(seconds=float(text))
    except OverflowError as error:
        raise ValueError(text) from error


def json_value(text: str) -> Any:
    """Read an argument; a word that is no JSON is most likely a string without its quotes."""
    try:
        return read_json(text)
    except ValueError as error:
        raise CommandError(
            f"{text!r} is not JSON: {error}. A string needs its quotes: '{json.dumps(text)}'",
            returncode=2,
        ) from error


def json_object(text: str) -> dict[str, Any]:
    """Read an argument that must be a JSON object."""
    value = json_value(text)
    if not isinstance(value, dict):
        raise CommandError(f"{text!r} must be a JSON object", returncode=2)
    return value


def refused(error: AionError | TypeError) -> CommandError:
    """Say an error in one line that begins with its code."""
    code = getattr(error, "code", "type_error")
    number = next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), 1)
    cause = error.__cause__
    because = f": {cause}" if isinstance(cause, AionError) and str(cause) not in str(error) else ""
    return CommandError(f"{code}: {error}{because}", returncode=number)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write rows under their headings, in columns as wide as they need."""
    lines = [tuple(headings), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def moment(value: dt.datetime | None) -> str:
    """Write a time for a table, in UTC and to the second; "-" where there is none."""
    return "-" if value is None else value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def usage(message: str) -> CommandError:
    """Make the error of a command that was called with options that do not go together."""
    return CommandError(f"error: {message}", returncode=USAGE)


def to_json(value: Any) -> str:
    """Write a value as one line of JSON."""
    return json.dumps(plain(value), ensure_ascii=False)

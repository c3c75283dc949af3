"""What a schedule is told: when to fire, what to start, and what to do when times collide or were missed."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any, Final, Self

import msgspec

from aion.core.errors import InvalidArgument
from aion.core.events import EMPTY_OBJECT, ClearPayload, Payload
from aion.core.events.base import UNSET, SealedTexts
from aion.core.priority import DEFAULT
from aion.core.retry import RetryPolicy
from aion.core.texts import check_text
from aion.schedules.spec import ScheduleSpec

_SHORTEST_WINDOW: Final = dt.timedelta(seconds=10)
_LONGEST_WINDOW: Final = dt.timedelta(days=36_500)
_LONGEST_ID: Final = 255
_DEFAULT_TEMPLATE: Final = "{schedule_id}-{time}"
_LONGEST_TIME: Final = "2000-01-01T00:00:00.000000Z"


class OverlapPolicy(StrEnum):
    """What a time does when a run that the schedule started is still open."""

    SKIP = "skip"
    """Nothing starts. The default."""
    BUFFER_ONE = "buffer_one"
    """One start waits until the open run has ended; further times are skipped."""
    BUFFER_ALL = "buffer_all"
    """All starts wait, and run one after the other."""
    CANCEL_OTHER = "cancel_other"
    """The open run is asked to cancel; the new one starts when it has ended."""
    TERMINATE_OTHER = "terminate_other"
    """The open run is terminated, and the new one starts at once."""
    ALLOW_ALL = "allow_all"
    """The new run starts beside the open one."""


class CatchUp(StrEnum):
    """What becomes of times that passed while nobody looked, within the catch-up window."""

    ALL = "all"
    """Each fires, oldest first; the overlap policy decides as always. The default."""
    ONE = "one"
    """Only the latest fires."""
    NONE = "none"
    """None fires."""


class ScheduleAction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The start of a workflow. `input`, `memo` and `search_attributes` are JSON.

    `workflow_id` is a template: `{schedule_id}` and `{time}` (the nominal time) stand for theirs. `sealed` is
    there only where the headers cannot be decoded.
    """

    workflow_type: str
    input: Payload = EMPTY_OBJECT
    workflow_id: str = _DEFAULT_TEMPLATE
    task_queue: str = ""
    run_timeout: dt.timedelta | None = None
    execution_timeout: dt.timedelta | None = None
    retry: RetryPolicy | None = None
    memo: Payload = EMPTY_OBJECT
    search_attributes: ClearPayload = EMPTY_OBJECT
    headers: dict[str, str] = {}
    sealed: SealedTexts = UNSET
    priority: int = DEFAULT

    def workflow_id_at(self, schedule_id: str, nominal_at: dt.datetime) -> str:
        """Give the workflow id of the run that a time starts."""
        time = nominal_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        return _fill(self.workflow_id, schedule_id, time)

    def check_template(self, schedule_id: str) -> None:
        """Make sure that every workflow id will be usable.

        Raises:
            InvalidArgument: the template has other placeholders, is empty, or gives ids that are too long.
        """
        check_text("workflow_id", self.workflow_id)
        rest = _fill(self.workflow_id, "", "")
        if "{" in rest or "}" in rest:
            raise InvalidArgument(
                f"workflow_id {self.workflow_id!r}: its placeholders are {{schedule_id}} and {{time}}",
                field="workflow_id",
            )
        longest = _fill(self.workflow_id, schedule_id, _LONGEST_TIME)
        if not 0 < len(longest) <= _LONGEST_ID:
            raise InvalidArgument(
                f"workflow_id {self.workflow_id!r} gives ids of {len(longest)} characters; "
                f"there must be 1 to {_LONGEST_ID}",
                field="workflow_id",
            )


def _fill(template: str, schedule_id: str, time: str) -> str:
    # Not str.format, which reaches into attributes; the time first, since ids are the caller's text.
    parts = (part.replace("{time}", time) for part in template.split("{schedule_id}"))
    return schedule_id.join(parts)


class ScheduleConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a schedule is told. `replace` gives another one with some fields changed.

    Raises:
        InvalidArgument: a field is not usable; it is named.
    """

    spec: ScheduleSpec
    action: ScheduleAction
    overlap: OverlapPolicy = OverlapPolicy.SKIP
    catch_up: CatchUp = CatchUp.ALL
    catch_up_window: dt.timedelta = dt.timedelta(days=365)
    pause_on_failure: bool = False

    def __post_init__(self) -> None:
        for field, kind in (("spec", ScheduleSpec), ("action", ScheduleAction)):
            if not isinstance(getattr(self, field), kind):
                given = getattr(self, field)
                raise InvalidArgument(
                    f"{field} must be a {kind.__name__}, not {given!r}", field=field
                )
        msgspec.structs.force_setattr(self, "overlap", overlap_policy(self.overlap))
        msgspec.structs.force_setattr(self, "catch_up", _member(CatchUp, "catch_up", self.catch_up))
        window = self.catch_up_window
        if (
            not isinstance(window, dt.timedelta)
            or not _SHORTEST_WINDOW <= window <= _LONGEST_WINDOW
        ):
            raise InvalidArgument(
                f"catch_up_window must be a timedelta from 10 seconds to a hundred years, not {window!r}",
                field="catch_up_window",
            )
        if not isinstance(self.pause_on_failure, bool):
            raise InvalidArgument("pause_on_failure must be a bool", field="pause_on_failure")

    def replace(self, **changes: Any) -> Self:
        """Give a config with some fields changed."""
        return msgspec.structs.replace(self, **changes)


def overlap_policy(value: object) -> OverlapPolicy:
    """Read an overlap policy, by member or by its value.

    Raises:
        InvalidArgument: there is none of this name.
    """
    policy: OverlapPolicy = _member(OverlapPolicy, "overlap", value)
    return policy


def _member(kind: type[StrEnum], field: str, value: object) -> Any:
    try:
        return kind(value)  # type: ignore[arg-type]
    except ValueError as error:
        known = ", ".join(kind)
        raise InvalidArgument(
            f"{field} must be one of {known}, not {value!r}", field=field
        ) from error

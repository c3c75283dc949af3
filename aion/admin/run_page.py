"""The page of one run: what it is, what it waits for, what went wrong, what happened."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from django.http import HttpRequest

from aion import client
from aion.access import Verb, access
from aion.admin.activity_verbs import ACTIVITY_VERBS, ActivityVerb
from aion.admin.groups import Group, groups
from aion.admin.timeline import Timeline, timeline
from aion.admin.verbs import VERBS, RunVerb
from aion.client import PendingActivity, RunDescription, WorkflowHandle
from aion.core import events
from aion.core.errors import AionError
from aion.core.failures import Failure
from aion.core.history import Recorded
from aion.core.plain import plain
from aion.operations.clock import clock

EVENTS: Final = 200
"""Events of one page of the history."""

_DRAWN: Final = 1_000
_STACK_BY_ITSELF: Final = 2_000  # longer histories are replayed when somebody asks for it
_LONGEST: Final = 20_000
_LONGEST_SUMMARY: Final = 160


@dataclasses.dataclass(slots=True)
class RunPage:
    """What the template shows."""

    run: RunDescription
    verbs: list[RunVerb]
    activities: list[tuple[PendingActivity, list[ActivityVerb]]]
    input: str
    result: str | None
    stack: str | None
    stack_can_be_asked: bool
    failures: list[Failure]
    timeline: Timeline
    is_drawn_in_part: bool
    unreadable: str
    is_compact: bool
    history: list[dict[str, Any]]
    from_seq: int | None
    previous_seq: int | None
    next_seq: int | None
    duration: dt.timedelta
    now: dt.datetime


def find_run(run_id: str) -> RunDescription | None:
    """Describe the run of an id that stands in a URL."""
    try:
        return client.get_workflow_handle("", uuid.UUID(run_id)).describe()
    except (ValueError, AionError):
        return None


def run_page(request: HttpRequest, run: RunDescription) -> RunPage:
    """Read what the page of a run shows."""
    handle = client.get_workflow_handle(run.workflow_id, run.run_id)
    first, at, page, drawn, unreadable = _histories(handle, request.GET.get("from"))
    now = clock.now()
    end = run.closed_at or now
    wants_stack = run.history_length < _STACK_BY_ITSELF or "stack" in request.GET
    is_compact = request.GET.get("history") != "all"
    shown = page[:EVENTS]
    return RunPage(
        run=run,
        verbs=[
            v for v in VERBS.values() if v.fits(run) and access().may(request.user, v.verb, run)
        ],
        activities=_activities(request, run),
        input=_input(drawn),
        result=_result(handle, run),
        stack=_stack(handle) if run.status.is_open and wants_stack else None,
        stack_can_be_asked=run.status.is_open and not wants_stack,
        failures=list(_chain(run.failure)),
        timeline=timeline(drawn, now=None if run.closed_at else end),
        is_drawn_in_part=len(drawn) == _DRAWN,
        unreadable=unreadable,
        is_compact=is_compact,
        history=[_group(one) for one in groups(shown)] if is_compact else _events(shown),
        from_seq=at if at > first else None,
        previous_seq=max(first, at - EVENTS) if at > first else None,
        next_seq=page[EVENTS].seq if len(page) > EVENTS else None,
        duration=end - run.started_at,
        now=now,
    )


def _activities(
    request: HttpRequest, run: RunDescription
) -> list[tuple[PendingActivity, list[ActivityVerb]]]:
    """Give the pending activities, each with what may be done to it."""
    verbs: Iterable[ActivityVerb] = ACTIVITY_VERBS.values()
    if not run.pending_activities or not access().may(request.user, Verb.OPERATE_ACTIVITY, run):
        verbs = ()
    return [(one, [v for v in verbs if v.fits(one)]) for one in run.pending_activities]


def _histories(
    handle: WorkflowHandle, asked: str | None
) -> tuple[int, int, list[Recorded], list[Recorded], str]:
    """Give the first seq, that of the page, the page, what is drawn, and why they cannot be read."""
    try:
        begin = handle.fetch_history(limit=1)
        first = begin[0].seq if begin else 1
        at = max(_number(asked, first), first)
        page = handle.fetch_history(from_seq=at, limit=EVENTS + 1)
        whole = at == first and len(page) <= EVENTS
        return first, at, page, page if whole else handle.fetch_history(limit=_DRAWN), ""
    except AionError as error:  # a key or a file is missing
        return 1, 1, [], [], f"{error.code}: {error}"


def _number(text: str | None, default: int) -> int:
    try:
        return int(text or default)
    except ValueError:
        return default


def _input(history: list[Recorded]) -> str:
    first = history[0].event if history else None
    if not isinstance(first, events.WorkflowStarted):
        return ""
    return pretty(json.loads(bytes(first.input)))


def _result(handle: WorkflowHandle, run: RunDescription) -> str | None:
    if run.status.value != "completed":
        return None
    try:
        return pretty(handle.result(0, type=Any))
    except AionError as error:
        return str(error)


def _stack(handle: WorkflowHandle) -> str:
    try:
        return str(handle.query("__stack_trace"))
    except AionError as error:
        return f"{error.code}: {error}"


def _chain(failure: Failure | None) -> Iterator[Failure]:
    while failure is not None:
        yield failure
        failure = failure.cause


def _group(group: Group) -> dict[str, Any]:
    """Give a row of the compact history; what stands alone tells the most of its event."""
    told = [_event(one) for one in group.events]
    stands_alone = len(told) == 1 and group.kind in ("note", "mark", "signal")
    return {
        "group": group,
        "shows_outcome": not stands_alone,
        "detail": group.failure or (told[0]["summary"] if stands_alone else ""),
        "events": told,
    }


def _events(history: Sequence[Recorded]) -> list[dict[str, Any]]:
    """Give the rows of the whole history; an outcome is called as what it is the outcome of."""
    labels = {one.seq: group.label for group in groups(history) for one in group.events[1:]}
    return [_event(one, labels.get(one.seq, "")) for one in history]


def _event(one: Recorded, label: str = "") -> dict[str, Any]:
    said: Mapping[str, Any] = one.attributes
    told = {name: value for name, value in said.items() if value not in (None, "", [], {})}
    return {
        "seq": one.seq,
        "recorded_at": one.recorded_at,
        "kind": one.kind,
        "summary": _summary(told, label),
        "attributes": pretty(told) if told else "",
    }


_TELLING: Final = (
    "activity_type",
    "workflow_type",
    "workflow_id",
    "name",
    "summary",
    "reason",
    "patch_id",
    "activity_id",
    "timer_id",
    "fire_at",
    "attributes",
    "memo",
)


def _summary(told: Mapping[str, Any], label: str) -> str:
    words = [label] if label else [_word(told[name]) for name in _TELLING if name in told]
    failure = told.get("failure")
    if isinstance(failure, dict):
        words.append(f"{failure.get('type', '')}: {failure.get('message', '')}")
    text = ", ".join(words)
    return text if len(text) <= _LONGEST_SUMMARY else f"{text[: _LONGEST_SUMMARY - 1]}…"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)


def pretty(value: Any) -> str:
    """Write a value as indented JSON, cut where it is long."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False)
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}\n... {len(text) - _LONGEST:,} more characters"

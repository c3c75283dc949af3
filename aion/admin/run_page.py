"""The page of one run: what it is, what it waits for, what went wrong, what happened."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.http import HttpRequest

from aion import client
from aion.access import access
from aion.admin.timeline import Timeline, timeline
from aion.admin.verbs import VERBS, RunVerb
from aion.client import RunDescription, WorkflowHandle
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
    input: str
    result: str | None
    stack: str | None
    stack_can_be_asked: bool
    failures: list[Failure]
    timeline: Timeline
    is_drawn_in_part: bool
    unreadable: str
    history: list[dict[str, Any]]
    previous_seq: int | None
    next_seq: int | None
    duration: dt.timedelta


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
    end = run.closed_at or clock.now()
    wants_stack = run.history_length - first < _STACK_BY_ITSELF or "stack" in request.GET
    return RunPage(
        run=run,
        verbs=[
            v for v in VERBS.values() if v.fits(run) and access().may(request.user, v.verb, run)
        ],
        input=_input(drawn),
        result=_result(handle, run),
        stack=_stack(handle) if run.status.is_open and wants_stack else None,
        stack_can_be_asked=run.status.is_open and not wants_stack,
        failures=list(_chain(run.failure)),
        timeline=timeline(drawn, now=None if run.closed_at else end),
        is_drawn_in_part=len(drawn) == _DRAWN,
        unreadable=unreadable,
        history=[_shown(one) for one in page[:EVENTS]],
        previous_seq=max(first, at - EVENTS) if at > first else None,
        next_seq=page[EVENTS].seq if len(page) > EVENTS else None,
        duration=end - run.started_at,
    )


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


def _shown(one: Recorded) -> dict[str, Any]:
    said: Mapping[str, Any] = one.attributes
    told = {name: value for name, value in said.items() if value not in (None, "", [], {})}
    return {
        "seq": one.seq,
        "recorded_at": one.recorded_at,
        "kind": one.kind,
        "summary": _summary(told),
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
)


def _summary(told: Mapping[str, Any]) -> str:
    words = [str(told[name]) for name in _TELLING if name in told]
    failure = told.get("failure")
    if isinstance(failure, dict):
        words.append(f"{failure.get('type', '')}: {failure.get('message', '')}")
    text = ", ".join(words)
    return text if len(text) <= _LONGEST_SUMMARY else f"{text[: _LONGEST_SUMMARY - 1]}…"


def pretty(value: Any) -> str:
    """Write a value as indented JSON, cut where it is long."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False)
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}\n... {len(text) - _LONGEST:,} more characters"

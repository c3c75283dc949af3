"""A worker that forgets, and what must be true of every history, whatever a test is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from aion import client
from aion.authoring.registry import registry
from aion.client import WorkflowHandle
from aion.core import events
from aion.core.errors import WorkflowFailureError
from aion.core.history import Recorded, to_lines
from aion.core.pending import effective
from aion.core.status import TERMINAL_EVENTS, project
from aion.models import Run
from aion.store import histories
from aion_engine.replay.replayer import replay
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine


class Forgetful(Engine):
    """A worker that loses every instance before every turn, as if it had been killed and restarted."""

    def __init__(self) -> None:
        super().__init__()
        turns = self.loop.turns
        take = turns.take

        def forget_and_take(outcomes: Any) -> Any:
            turns.cache.clear()
            return take(outcomes)

        turns.take = forget_and_take  # type: ignore[method-assign]


def rest(engine: Engine, clock: StandingClock, *, days: float = 400) -> None:
    """Turns, attempts and timers until nothing is left that happens by itself within some days."""
    until = clock.at.timestamp() + days * 86_400
    while True:
        engine.go()
        due = _next_timer()
        if due is None or due.timestamp() > until:
            return
        clock.at = max(clock.at, due)


def _next_timer() -> Any:
    from aion.store import claims

    timer, attempt = claims.next_due()
    return min((at for at in (timer, attempt) if at is not None), default=None)


# --- looking ---


def history(handle: WorkflowHandle) -> list[Recorded]:
    return handle.fetch_history()


def kinds(handle: WorkflowHandle) -> list[str]:
    return [recorded.kind for recorded in handle.fetch_history()]


def found(handle: WorkflowHandle, kind: type[events.Event]) -> list[Any]:
    """The events of one kind in a run's history."""
    return [r.event for r in handle.fetch_history() if isinstance(r.event, kind)]


def status(workflow_id: str) -> str:
    return str(client.get_workflow_handle(workflow_id).describe().status)


def chain(workflow_id: str) -> list[WorkflowHandle]:
    """The runs of a workflow id, the oldest first."""
    ids = (
        Run.objects.filter(workflow_id=workflow_id)
        .order_by("first_seq")
        .values_list("id", flat=True)
    )
    return [WorkflowHandle(workflow_id, run_id) for run_id in ids]


def failure_of(handle: WorkflowHandle) -> BaseException:
    """Why a closed run did not complete."""
    try:
        value = handle.result(0)
    except WorkflowFailureError as error:
        assert error.cause is not None
        return error.cause
    raise AssertionError(f"it gave {value!r}")


# --- what holds everywhere ---


def check_everything() -> None:
    for run in Run.objects.order_by("id"):
        recorded = histories.load_one(run.id)
        _check_seqs(run, recorded)
        _check_pairs(recorded)
        begun = any(each.event.role is not events.Role.NOTE for each in recorded[1:])
        if begun and run.problem is None and not _fits_no_more(recorded):
            instance, left = replay(registry.workflow(run.workflow_type), str(run.id), recorded)
            instance.close()
            assert left == []
    for workflow_id in Run.objects.values_list("workflow_id", flat=True).distinct():
        _check_chain(workflow_id)


def _fits_no_more(recorded: list[Recorded]) -> bool:
    last = recorded[-1].event
    return isinstance(last, events.WorkflowFailed) and last.failure.kind == "non_determinism"


def _check_seqs(run: Run, recorded: list[Recorded]) -> None:
    assert [r.seq for r in recorded] == list(range(run.first_seq, run.head_seq + 1))
    assert run.status == project(r.event for r in recorded)
    assert (run.closed_at is None) == (run.status in ("running", "paused"))
    closed = False
    for each in recorded:
        assert not closed or isinstance(each.event, events.WorkflowReopened), each
        closed = isinstance(each.event, TERMINAL_EVENTS)
    times = [r.recorded_at for r in recorded]
    assert times == sorted(times)


def _check_pairs(recorded: list[Recorded]) -> None:
    """Each question has at most one answer."""
    answers: Counter[Any] = Counter()
    for each in effective(recorded):
        match each.event:
            case events.ActivityOutcome() as event:
                answers["activity", event.activity_id] += 1
            case events.ChildOutcome() as event:
                answers["child", event.run_id] += 1
            case events.ExternalRequestDelivered() | events.ExternalRequestFailed() as event:
                answers["request", event.request_id] += 1
            case events.UpdateCompleted() as event:
                answers["update", event.update_id] += 1
            case events.TimerFired() | events.TimerCancelled() as event:
                answers["timer", event.timer_id] += 1
    assert all(count == 1 for count in answers.values()), answers


def _check_chain(workflow_id: str) -> None:
    """Runs that continue one another read as one history."""
    runs = {run.id: run for run in Run.objects.filter(workflow_id=workflow_id)}
    for run in runs.values():
        before = runs.get(run.continued_from_run_id)
        if before is not None:
            assert run.first_seq == before.head_seq + 1
            assert run.chain_position == before.chain_position + 1
        else:
            assert run.first_seq == 1
    assert sum(run.closed_at is None for run in runs.values()) <= 1


# --- comparing ---

Story = Callable[[Engine, StandingClock], None]

_RUN_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX = re.compile(rb'"seed":"[0-9a-f]{32}"')


def told(story: Story, kind: type[Engine], clock: StandingClock) -> list[bytes]:
    """Play a story and give every history of it, without what chance has chosen. It begins afresh."""
    Run.objects.all().delete()
    clock.at = START
    engine = kind()
    try:
        story(engine, clock)
    finally:
        engine.close()
    check_everything()
    names: dict[bytes, bytes] = {}

    def name(match: re.Match[bytes]) -> bytes:
        return names.setdefault(match.group(), b"run-%d" % len(names))

    runs = Run.objects.order_by("started_at", "workflow_id", "first_seq")
    lines = [line for run in runs for line in [*to_lines(histories.load_one(run.id)), b"--"]]
    return [_RUN_ID.sub(name, _HEX.sub(b'"seed":""', line)) for line in lines]


def same_when_lost(story: Story, clock: StandingClock) -> None:
    """A story leaves the same histories when all instances are lost before each turn."""
    assert told(story, Engine, clock) == told(story, Forgetful, clock)

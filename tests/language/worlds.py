"""A worker that forgets, and what must be true of every history, whatever a test is about."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.apps import apps
from django.db import connection

from aion import client
from aion.authoring.registry import registry
from aion.client import WorkflowHandle
from aion.core import events, ids
from aion.core.errors import WorkflowFailureError
from aion.core.history import Recorded, to_lines
from aion.core.pending import PendingWork, effective, pending_work
from aion.core.status import TERMINAL_EVENTS, project
from aion.models import ActivityTask, Message, Run, Timer
from aion.store import histories, runs
from aion_engine.replay.instance import Instance
from aion_engine.replay.replayer import replay
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine


class Forgetful(Engine):
    """A worker that loses every instance before every turn, as if it had been killed and restarted."""

    def __init__(self) -> None:
        super().__init__()
        turns = self.loop.turns
        take = turns.take

        def forget_and_take(outcomes: Any, **options: Any) -> Any:
            turns.cache.clear()
            return take(outcomes, **options)

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
    """Look at all runs. Behind each test: what can be read at once is."""
    found = list(Run.objects.order_by("workflow_id", "id"))
    recorded_of = histories.load(run.id for run in found)
    for run in found:
        recorded = recorded_of[run.id]
        _check_seqs(run, recorded)
        _check_pairs(recorded)
        begun = any(each.event.role is not events.Role.NOTE for each in recorded[1:])
        if begun and run.problem is None and not _fits_no_more(recorded):
            instance, left = replay(registry.workflow(run.workflow_type), str(run.id), recorded)
            assert left == []
            if run.closed_at is None:
                _check_waiting(run, instance, pending_work(effective(recorded)))
            instance.close()
    for _, runs_of_one in itertools.groupby(found, lambda run: run.workflow_id):
        _check_chain({run.id: run for run in runs_of_one})


def _check_waiting(run: Run, instance: Instance, work: PendingWork) -> None:
    """What the code of an open run waits for is still to come: nothing was lost."""
    if Message.objects.filter(run_id=run.id).exists():
        return
    timers = set(Timer.objects.filter(run_id=run.id).values_list("timer_id", flat=True))
    tasks = set(ActivityTask.objects.filter(run_id=run.id).values_list("activity_id", flat=True))
    for timer_id in work.timers:
        assert timer_id in timers or not instance.expects(events.TimerFired(timer_id=timer_id))
    for activity_id in work.activities:
        outcome = events.ActivityCancelled(activity_id=activity_id)
        assert activity_id in tasks or not instance.expects(outcome), f"activity {activity_id}"
    for child in work.children.values():
        ids = {"workflow_id": child.workflow_id, "run_id": child.run_id}
        last = runs.last_of_chain(uuid.UUID(child.run_id))
        still_open = last is not None and last.status.is_open
        assert still_open or not instance.expects(events.ChildWorkflowTimedOut(**ids)), child
    for request_id, request in work.requests.items():
        answer = events.ExternalRequestDelivered(request_id=request_id)
        held = Run.objects.filter(workflow_id=request.workflow_id, closed_at=None)
        assert Message.objects.filter(run__in=held).exists() or not instance.expects(answer), (
            request
        )


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


def _check_chain(known: dict[uuid.UUID, Run]) -> None:
    """Runs of one workflow id that continue one another read as one history."""
    for run in known.values():
        before = known.get(run.continued_from_run_id)
        if before is not None:
            assert run.first_seq == before.head_seq + 1
            assert run.chain_position == before.chain_position + 1
        else:
            assert run.first_seq == 1
    assert sum(run.closed_at is None for run in known.values()) <= 1
    followed = [run.continued_from_run_id for run in known.values() if run.continued_from_run_id]
    assert len(followed) == len(set(followed))


# --- comparing ---

Story = Callable[[Engine, StandingClock], None]


class CountedIds:
    """Ids in the order of their making, the same in every telling of a story; handlers still sort by time."""

    def __init__(self, clock: StandingClock) -> None:
        self._clock = clock
        self._numbers = itertools.count()

    def next(self) -> uuid.UUID:
        return ids.uuid7_from(int(self._clock.at.timestamp() * 1000), next(self._numbers))


@contextmanager
def telling(kind: type[Engine], clock: StandingClock) -> Iterator[Engine]:
    """Begin afresh, with an engine whose chance is the same each time; look at every history at the end."""
    _forget_all_runs()
    clock.at = START
    engine = kind()
    try:
        with mock.patch.object(ids, "_generator", CountedIds(clock)):
            yield engine
    finally:
        engine.close()
    check_everything()


def told(story: Story, kind: type[Engine], clock: StandingClock) -> list[bytes]:
    """Play a story and give every history of it."""
    with telling(kind, clock) as engine:
        story(engine, clock)
    order = Run.objects.order_by("started_at", "workflow_id", "first_seq")
    lived = list(order.values_list("id", flat=True))
    recorded_of = histories.load(lived)
    return [line for run_id in lived for line in [*to_lines(recorded_of[run_id]), b"--"]]


def _forget_all_runs() -> None:
    """Empty the tables of runs below the models, which refuse to delete events."""
    models = apps.get_app_config("aion").get_models()
    with connection.cursor() as cursor:
        for model in (Run, *(m for m in models if any(f.name == "run" for f in m._meta.fields))):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")


def same_when_lost(story: Story, clock: StandingClock) -> None:
    """A story leaves the same histories when all instances are lost before each turn."""
    assert told(story, Engine, clock) == told(story, Forgetful, clock)

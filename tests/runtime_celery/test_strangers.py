"""Attempts that a worker holds by their rows and does not run: nobody else would end them."""

from __future__ import annotations

import os
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError

from aion.models import ActivityTask
from aion.operations.clock import clock
from aion.store import activities, workers
from aion_engine.runtime import execution
from aion_engine.runtime.board import Notice
from aion_engine.runtime.identity import new_worker
from aion_engine.runtime.strangers import Strangers
from tests.support.engine import running_worker
from tests.support.rows import insert_activity, quiet_run

SOON = {"LEASE": 3.0}


@pytest.fixture
def soon(settings: Any) -> None:
    settings.AION = {**settings.AION, **SOON}


@pytest.fixture
def worker() -> Any:
    made = new_worker("celery")
    workers.register(made, now=clock.now())
    return made


def claimed(owner_id: uuid.UUID, *, pid: int = 0) -> uuid.UUID:
    task_id = insert_activity(quiet_run(), now=clock.now())
    pid = pid or os.getpid()
    assert activities.claim_attempt(task_id, 1, owner_id=owner_id, pid=pid, now=clock.now())
    return task_id


def notice(at: float, *held: uuid.UUID, pid: int = 0) -> Notice:
    pids = {each.hex: pid or os.getpid() for each in held}
    return Notice(at, {each.hex: (1, "") for each in held}, pids)


def state(task_id: uuid.UUID) -> tuple[str, int]:
    row = ActivityTask.objects.get(id=task_id)
    return row.state, row.attempt


@pytest.mark.django_db
@pytest.mark.usefixtures("soon")
def test_what_is_strange_for_long_enough_is_given_up(worker: Any) -> None:
    task_id = claimed(worker.id)
    strangers = Strangers(worker.id)

    assert strangers.give_up([], notice(1.0, task_id)) == 0, "it may have been claimed just now"
    assert strangers.give_up([], notice(1.5, task_id)) == 0
    assert state(task_id) == ("running", 1)
    assert strangers.give_up([], notice(2.1, task_id)) == 1

    assert state(task_id) == ("scheduled", 2)


@pytest.mark.django_db
@pytest.mark.usefixtures("soon")
def test_what_runs_here_or_elsewhere_is_left_alone(worker: Any) -> None:
    here, elsewhere = claimed(worker.id), claimed(worker.id, pid=1)
    strangers = Strangers(worker.id)
    running: Any = [SimpleNamespace(attempt=SimpleNamespace(id=here))]

    for at in (1.0, 2.0, 3.0):
        assert strangers.give_up(running, notice(at, here)) == 0
        assert strangers.give_up(running, notice(at, elsewhere, pid=1)) == 0

    assert state(here) == state(elsewhere) == ("running", 1)


@pytest.mark.django_db
@pytest.mark.usefixtures("soon")
def test_one_that_was_known_meanwhile_begins_anew(worker: Any) -> None:
    task_id = claimed(worker.id)
    strangers = Strangers(worker.id)
    running: Any = [SimpleNamespace(attempt=SimpleNamespace(id=task_id))]

    strangers.give_up([], notice(1.0, task_id))
    strangers.give_up(running, notice(2.0, task_id))

    assert strangers.give_up([], notice(3.0, task_id)) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("lost", ["claim", "outcome"])
def test_an_activity_goes_on_when_a_statement_of_its_worker_is_lost(
    monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """The answer to a claim, or all tries to write an outcome: the worker lives, so no lease ends."""
    from aion import client
    from tests.sample.workflows import call

    failing = [OperationalError("server closed the connection unexpectedly")]
    claim, settle = activities.begin_all, execution.persistently

    def claim_and_break(*args: Any, **kwargs: Any) -> Any:
        begun = claim(*args, **kwargs)
        if begun and failing:
            raise failing.pop()
        return begun

    def break_off(action: Any) -> Any:
        if failing and not isinstance(action, execution._ClaimOfAll):
            raise failing.pop()
        return settle(action)

    if lost == "claim":
        monkeypatch.setattr(activities, "begin_all", claim_and_break)
    else:
        monkeypatch.setattr(execution, "persistently", break_off)
        failing.append(failing[0])  # neither the result nor the failure can be written
    with running_worker():
        handle = client.start_workflow(call, "leave_mark", ["k"])

        assert handle.result(20) == "k"

    assert failing == []

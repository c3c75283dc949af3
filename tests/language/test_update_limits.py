"""How many updates a run takes: at once, and in its life."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import transaction

from aion import client, workflow
from aion.client import WorkflowHandle
from aion.core import events
from aion.core.errors import OperationError, RunNotFound, UpdateLimitReached, UpdateRefused
from aion.models import Update
from tests.language.worlds import found, rest
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db


@workflow.defn(name="limits.Desk")
class Desk:
    def __init__(self) -> None:
        self.served = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.receive("close")
        return self.served

    @workflow.update
    async def serve(self, seconds: float = 0) -> int:
        await asyncio.sleep(seconds)
        self.served += 1
        return self.served

    @serve.validator  # type: ignore[attr-defined]
    def check_serve(self, seconds: float = 0) -> None:
        if seconds < 0:
            raise ValueError("back in time")


@pytest.fixture(autouse=True)
def _limits(settings: Any) -> None:
    settings.AION = {**settings.AION, "UPDATES_IN_FLIGHT": 2, "UPDATES_TOTAL": 4}


@pytest.fixture
def desk(engine: Engine) -> WorkflowHandle:
    handle = client.start_workflow(Desk, id="desk")
    engine.turns()
    return handle


def send(handle: WorkflowHandle, *args: Any, **options: Any) -> client.UpdateHandle:
    return handle.start_update(Desk.serve, *args, wait_for="", **options)


def test_too_many_at_once_are_refused_before_anything_is_written(
    engine: Engine, clock: StandingClock, desk: WorkflowHandle
) -> None:
    admitted = send(desk)
    accepted = send(desk, 10)
    engine.turns()
    assert admitted.result(0) == 1
    send(desk, 10)  # one accepted and one admitted are two in flight
    before = counts(), Update.objects.count()

    with pytest.raises(UpdateLimitReached) as caught:
        send(desk)

    assert (counts(), Update.objects.count()) == before
    assert (caught.value.code, caught.value.setting, caught.value.limit) == (
        "update_limit",
        "UPDATES_IN_FLIGHT",
        2,
    )
    assert isinstance(caught.value, OperationError)
    assert "AION['UPDATES_IN_FLIGHT'] is 2" in str(caught.value)
    assert send(desk, 10, id=accepted.id).id == accepted.id  # who attaches adds nothing
    rest(engine, clock)
    assert accepted.result(0) == 2
    send(desk)


def test_too_many_in_all_are_refused_and_a_new_run_takes_them(
    engine: Engine, clock: StandingClock, desk: WorkflowHandle
) -> None:
    for number in range(4):
        assert execute(engine, desk, id=f"u{number}") == number + 1

    with pytest.raises(UpdateLimitReached) as caught:
        send(desk)

    assert caught.value.setting == "UPDATES_TOTAL"
    assert (
        execute(engine, desk, id="u0") == 1
    )  # the answer of an update that it took is still there
    other = client.start_workflow(Desk)
    engine.turns()
    assert execute(engine, other) == 1


def test_what_was_refused_does_not_count(engine: Engine, desk: WorkflowHandle) -> None:
    for _ in range(5):
        update = send(desk, -1)
        engine.turns()
        with pytest.raises(UpdateRefused):
            update.result(0)

    for number in range(4):
        assert execute(engine, desk) == number + 1
    assert len(found(desk, events.UpdateAccepted)) == 4


def test_a_refused_update_with_start_starts_nothing(engine: Engine, settings: Any) -> None:
    settings.AION = {**settings.AION, "UPDATES_IN_FLIGHT": 1}
    options: dict[str, Any] = {"id": "desk", "update": Desk.serve, "update_args": (10.0,)}
    client.update_with_start(Desk, **options)
    engine.turns()

    with pytest.raises(UpdateLimitReached):
        client.update_with_start(Desk, **options)
    with pytest.raises(UpdateLimitReached), transaction.atomic():
        client.start_workflow(Desk, id="other desk")
        send(client.get_workflow_handle("desk"))

    with pytest.raises(RunNotFound):
        client.get_workflow_handle("other desk").describe()


def execute(engine: Engine, handle: WorkflowHandle, **options: Any) -> int:
    update = send(handle, **options)
    engine.turns()
    answer: int = update.result(0)
    return answer

"""Signal-with-start and update-with-start: one transaction, whether or not the run is there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import transaction

from aion import client, workflow
from aion.core.errors import InvalidArgument, PayloadError, UpdateRefused, WorkflowAlreadyStarted
from aion.models import Message, Run, Update
from tests.language.worlds import chain, kinds, rest, same_when_lost
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db


@workflow.defn(name="together.Cart")
class Cart:
    @workflow.init
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.items: list[str] = []
        self.done = False

    @workflow.run
    async def run(self, owner: str) -> list[str]:
        self.items.append(f"for {owner}")
        await workflow.wait_condition(lambda: self.done)
        return self.items

    @workflow.signal
    def put(self, item: str, count: int = 1) -> None:
        self.items += [item] * count

    @workflow.update
    def add(self, item: str) -> int:
        self.items.append(item)
        return len(self.items)

    @add.validator  # type: ignore[attr-defined]
    def check(self, item: str) -> None:
        if not item:
            raise ValueError("nothing to add")

    @workflow.signal
    def pay(self) -> None:
        self.done = True


def put(item: str, id: str = "cart", **options: Any) -> client.WorkflowHandle:
    return client.signal_with_start(
        Cart, "ann", signal=Cart.put, signal_args=(item,), id=id, **options
    )


def add(item: str, id: str = "cart", **options: Any) -> client.UpdateHandle:
    return client.update_with_start(
        Cart, "ann", update=Cart.add, update_args=(item,), id=id, **options
    )


def test_the_signal_starts_the_run_and_is_seen_by_it(engine: Engine) -> None:
    handle = put("tea")
    assert handle.created
    handle.signal(Cart.pay)
    engine.turns()

    assert handle.result(0) == ["for ann", "tea"]
    assert kinds(handle)[:2] == ["WorkflowStarted", "SignalReceived"]


def test_an_open_run_is_only_signalled(engine: Engine) -> None:
    first = put("tea")
    engine.turns()
    second = put("milk")
    second.signal(Cart.pay)
    engine.turns()

    assert (second.created, second.run_id) == (False, first.run_id)
    assert first.result(0) == ["for ann", "tea", "milk"]


def test_a_closed_run_is_followed_by_a_new_one(engine: Engine) -> None:
    put("tea").signal(Cart.pay)
    engine.turns()
    second = put("milk")
    engine.turns()

    assert second.created
    assert [len(kinds(run)) for run in chain("cart")] != []
    assert Run.objects.filter(workflow_id="cart").count() == 2


def test_a_paused_and_a_held_run_count_as_open(engine: Engine) -> None:
    first = put("tea")
    engine.turns()
    first.pause()

    assert put("milk").run_id == first.run_id


def test_a_repeated_request_has_one_effect(engine: Engine) -> None:
    for _ in range(3):
        handle = put("tea", request_id="start", signal_request_id="signal")
        engine.turns()
    handle.signal(Cart.pay)
    engine.turns()
    assert handle.result(0) == ["for ann", "tea"]

    again = put("tea", request_id="start", signal_request_id="signal")  # after the close, too
    assert (again.run_id, again.created) == (handle.run_id, False)
    assert Message.objects.count() == 0


def test_the_update_starts_the_run_and_is_answered(engine: Engine) -> None:
    update = add("tea")
    engine.turns()

    assert update.result(0) == 2
    assert kinds(client.get_workflow_handle("cart")) == [
        "WorkflowStarted",
        "UpdateAccepted",
        "UpdateCompleted",
    ]


def test_an_update_with_the_same_id_attaches(engine: Engine) -> None:
    first = add("tea", update_id="u")
    engine.turns()
    second = add("milk", update_id="u")
    engine.turns()

    assert (first.result(0), second.result(0)) == (2, 2)
    assert Update.objects.count() == 1


def test_a_refused_update_has_started_the_run_nevertheless(engine: Engine) -> None:
    update = add("")
    engine.turns()

    with pytest.raises(UpdateRefused):
        update.result(0)
    assert kinds(client.get_workflow_handle("cart")) == ["WorkflowStarted"]


def test_policies_hold_here_too(engine: Engine) -> None:
    put("tea")
    engine.turns()

    with pytest.raises(WorkflowAlreadyStarted):
        put("milk", id_conflict_policy="fail")
    replaced = put("milk", id_conflict_policy="terminate_existing")
    engine.turns()
    assert replaced.created
    assert [str(run.describe().status) for run in chain("cart")].count("terminated") == 1


BAD: dict[str, Any] = {
    "no id": lambda: put("tea", id=""),
    "bad arguments": lambda: client.signal_with_start(Cart, signal="put", id="cart"),
    "bad signal": lambda: client.signal_with_start(Cart, "ann", signal=Cart.add, id="cart"),
    "signal arguments": lambda: client.signal_with_start(Cart, "ann", signal=Cart.put, id="cart"),
    "no json": lambda: client.signal_with_start(
        Cart, "ann", signal="put", signal_args=(object(),), id="cart"
    ),
    "no json in the update": lambda: client.update_with_start(
        Cart, "ann", update="add", update_args=(object(),), id="cart"
    ),
    "update id": lambda: add("tea", update_id="x" * 256),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_sent_starts_nothing(engine: Engine, what: str) -> None:
    before = counts()

    with pytest.raises((InvalidArgument, TypeError, PayloadError)):
        BAD[what]()
    assert counts() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("send", [put, add])
def test_what_is_rolled_back_leaves_no_trace(engine: Engine, send: Any) -> None:
    before = counts()

    with pytest.raises(ZeroDivisionError):
        with transaction.atomic():
            send("tea")
            raise ZeroDivisionError
    assert counts() == before


@pytest.mark.django_db(transaction=True)
def test_the_async_twins(engine: Engine) -> None:
    async def both() -> None:
        await client.asignal_with_start(
            Cart, "ann", signal=Cart.put, signal_args=("tea",), id="cart"
        )
        await client.aupdate_with_start(
            Cart, "ann", update=Cart.add, update_args=("milk",), id="cart"
        )

    asyncio.run(both())
    engine.turns()

    assert client.get_workflow_handle("cart").describe().history_length == 4


def test_the_same_history_when_instances_are_lost(clock: StandingClock) -> None:
    def story(engine: Engine, clock: StandingClock) -> None:
        for number in range(3):
            put(f"tea {number}")
            add(f"milk {number}", update_id=f"u{number}")
            engine.turns()
        client.get_workflow_handle("cart").signal(Cart.pay)
        rest(engine, clock)
        assert len(client.get_workflow_handle("cart").result(0)) == 7

    same_when_lost(story, clock)

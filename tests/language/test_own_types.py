"""Values of a type with a converter, wherever values go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from aion import activity, client, register_converter, workflow
from aion.core.payloads import unregister_converter
from tests.language.worlds import Forgetful
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


register_converter(Money, encode=lambda money: money.cents, decode=Money)


@pytest.fixture(autouse=True, scope="module")
def _not_for_others() -> Iterator[None]:
    yield
    unregister_converter(Money)


@activity.defn(name="own_types.double")
def double(price: Money) -> Money:
    activity.heartbeat(price)
    return Money(price.cents * 2)


@workflow.defn(name="own_types.Half")
async def half(price: Money) -> Money:
    return Money(price.cents // 2)


@workflow.defn(name="own_types.Shop")
class Shop:
    def __init__(self) -> None:
        self.paid: list[Money] = []

    @workflow.run
    async def run(self, price: Money) -> list[Money]:
        workflow.upsert_memo({"price": price})
        doubled = await double.execute(price)
        halved = await workflow.execute_child_workflow(half, price)
        chosen = workflow.side_effect(lambda: Money(7), type=Money)
        await workflow.wait_condition(lambda: len(self.paid) > 1)
        tip = await workflow.receive("tip", type=Money)
        return [doubled, halved, chosen, *self.paid, tip]

    @workflow.signal
    def pay(self, price: Money) -> None:
        self.paid.append(price)

    @workflow.query
    def sum(self) -> Money:
        return Money(sum(each.cents for each in self.paid))

    @workflow.update
    async def settle(self, price: Money) -> Money:
        await asyncio.sleep(0)
        self.paid.append(price)
        return self.sum()


@pytest.mark.parametrize("kind", [Engine, Forgetful], ids=["kept", "lost"])
def test_a_value_of_an_own_type_goes_everywhere(kind: type[Engine]) -> None:
    engine = kind()
    handle = client.start_workflow(Shop, Money(10))
    handle.signal(Shop.pay, Money(1))
    update = handle.start_update(Shop.settle, Money(2), wait_for="")
    engine.go()

    assert update.result(0).cents == 3
    assert handle.query(Shop.sum).cents == 3
    assert handle.describe().memo == {"price": 10}
    handle.signal("tip", Money(5))
    engine.go()
    assert [each.cents for each in handle.result(0)] == [20, 5, 7, 1, 2, 5]
    engine.close()

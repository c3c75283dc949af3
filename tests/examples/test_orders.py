"""The example that newcomers read first does what it says, to the last row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client
from django.urls import reverse

from aion import client
from aion.client import WorkflowHandle
from aion.core.errors import RunClosed
from aion.models import Message, Run
from examples.orders import bank, services
from examples.orders.models import Charge, ChargeAttempt, Order, Product
from examples.orders.services import approve_order, place_order
from examples.orders.workflows import OrderWorkflow
from tests.support.clocks import StandingClock
from tests.support.engine import Engine, running_worker
from tests.support.rows import counts
from tests.support.waiting import eventually

MakeTeapot = Callable[..., Product]
EFFECTS = ("stockreservations", "chargeattempts", "charges", "shipments", "receipts")


def handle_of(order: Order) -> WorkflowHandle:
    return client.get_workflow_handle(order.workflow_id)


def effects_of(order: Order) -> dict[str, int]:
    return {name: getattr(order, name).count() for name in EFFECTS}


def stage_of(order: Order) -> str:
    return handle_of(order).query(OrderWorkflow.status)


# --- with a whole worker --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_approved_order_is_shipped_and_each_effect_happens_once(make_teapot: MakeTeapot) -> None:
    teapot = make_teapot(stock=5)

    with running_worker():
        order = place_order(teapot, quantity=2)
        eventually(lambda: stage_of(order) == "waiting for approval")
        approve_order(order, by="alice")
        outcome = handle_of(order).result(timeout=20)

    teapot.refresh_from_db()
    order.refresh_from_db()
    assert outcome == stage_of(order) == "shipped"
    assert order.status == Order.Status.SHIPPED
    assert effects_of(order) == {
        "stockreservations": 1,
        "chargeattempts": 1 + bank.FAILURES_FIRST,
        "charges": 1,
        "shipments": 1,
        "receipts": 1,
    }
    assert teapot.stock == 3
    assert order.charges.get().amount == Decimal("49.80")
    history = handle_of(order).fetch_history()
    assert [one.seq for one in history] == list(range(1, len(history) + 1))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_approval_may_come_before_anybody_waits_for_it(make_teapot: MakeTeapot) -> None:
    order = place_order(make_teapot())
    approve_order(order, by="alice")

    with running_worker():
        outcome = handle_of(order).result(timeout=20)

    assert outcome == "shipped"
    assert "TimerStarted" not in [one.kind for one in handle_of(order).fetch_history()]


# --- with the clock in hand -----------------------------------------------------------------------


def go_until_approval_is_wanted(engine: Engine, clock: StandingClock) -> None:
    """The charge is tried again after pauses of well under two seconds."""
    engine.go()
    for _ in range(bank.FAILURES_FIRST):
        clock.move(2)
        engine.go()


@pytest.mark.django_db
def test_an_order_that_nobody_approves_is_undone_after_two_days(
    engine: Engine, clock: StandingClock, make_teapot: MakeTeapot
) -> None:
    teapot = make_teapot(stock=5)
    order = place_order(teapot)
    go_until_approval_is_wanted(engine, clock)
    assert stage_of(order) == "waiting for approval"

    clock.move(timedelta(days=2).total_seconds() - 1)
    engine.go()
    assert stage_of(order) == "waiting for approval"
    clock.move(1)
    engine.go()

    teapot.refresh_from_db()
    order.refresh_from_db()
    assert handle_of(order).result(timeout=0) == "refused"
    assert order.status == Order.Status.REFUSED
    assert teapot.stock == 5
    assert order.stockreservations.get().released_at is not None
    assert order.charges.get().refunded_at is not None
    assert effects_of(order)["shipments"] == effects_of(order)["receipts"] == 0


@pytest.mark.django_db
def test_the_patience_is_an_argument(
    engine: Engine, clock: StandingClock, make_teapot: MakeTeapot
) -> None:
    order = Order.objects.create(product=make_teapot())
    minute = timedelta(minutes=1)
    client.start_workflow(OrderWorkflow, order.number, minute, id=order.workflow_id)
    go_until_approval_is_wanted(engine, clock)

    clock.move(60)
    engine.go()

    assert handle_of(order).result(timeout=0) == "refused"


@pytest.mark.django_db
def test_an_order_for_what_is_sold_out_is_refused_at_once(
    engine: Engine, make_teapot: MakeTeapot
) -> None:
    teapot = make_teapot(stock=1)
    order = place_order(teapot, quantity=2)

    engine.go()

    teapot.refresh_from_db()
    assert handle_of(order).result(timeout=0) == "refused"
    assert teapot.stock == 1
    assert set(effects_of(order).values()) == {0}


@pytest.mark.django_db
def test_a_bank_that_never_answers_gets_the_order_undone(
    engine: Engine,
    clock: StandingClock,
    make_teapot: MakeTeapot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bank, "FAILURES_FIRST", 1_000)
    teapot = make_teapot(stock=5)
    order = place_order(teapot)

    engine.go()
    for _ in range(10):
        clock.move(600)
        engine.go()

    teapot.refresh_from_db()
    assert handle_of(order).result(timeout=0) == "refused"
    assert teapot.stock == 5
    assert effects_of(order)["chargeattempts"] == 10
    failed = [one for one in handle_of(order).fetch_history() if one.kind == "ActivityFailed"]
    assert [one.event.failure.type for one in failed] == ["BankUnavailable"]


# --- one transaction ------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_order_that_is_rolled_back_leaves_nothing(make_teapot: MakeTeapot) -> None:
    teapot = make_teapot()
    before = counts()

    with transaction.atomic():
        place_order(teapot)
        transaction.set_rollback(True)

    assert not Order.objects.exists()
    assert counts() == before


@pytest.mark.django_db(transaction=True)
def test_a_workflow_that_cannot_be_started_leaves_no_order(
    make_teapot: MakeTeapot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "OrderWorkflow", "no such workflow")

    with pytest.raises(Exception, match="no such workflow"):
        place_order(make_teapot())

    assert not Order.objects.exists()


@pytest.mark.django_db
def test_the_same_key_is_charged_once(make_teapot: MakeTeapot) -> None:
    order = Order.objects.create(product=make_teapot())
    for _ in range(bank.FAILURES_FIRST):
        with pytest.raises(bank.BankUnavailable):
            bank.charge(order, idempotency_key="k")

    first, second = (bank.charge(order, idempotency_key="k") for _ in range(2))

    assert first == second
    assert Charge.objects.count() == 1
    assert ChargeAttempt.objects.count() == bank.FAILURES_FIRST + 2


# --- over HTTP ------------------------------------------------------------------------------------


@pytest.fixture
def customer(client: Client) -> Client:
    client.force_login(get_user_model().objects.create_user("customer"))
    return client


@pytest.fixture
def clerk(db: None) -> Client:
    logged_in = Client()
    logged_in.force_login(get_user_model().objects.create_superuser("clerk"))
    return logged_in


@pytest.mark.django_db
def test_a_post_places_an_order_and_starts_its_workflow(
    customer: Client, make_teapot: MakeTeapot
) -> None:
    make_teapot()

    response = customer.post(reverse("orders:create"), {"product": "teapot", "quantity": 3})

    order = Order.objects.get()
    assert response.status_code == 201
    assert response.json() == {"number": order.number, "workflow_id": order.workflow_id}
    assert order.quantity == 3
    assert Run.objects.get().workflow_id == order.workflow_id


@pytest.mark.django_db(transaction=True)
def test_a_post_that_is_rolled_back_leaves_nothing(
    customer: Client, make_teapot: MakeTeapot
) -> None:
    make_teapot()

    with transaction.atomic():  # as ATOMIC_REQUESTS does
        response = customer.post(reverse("orders:create"), {"product": "teapot"})
        transaction.set_rollback(True)

    assert response.status_code == 201
    assert not Order.objects.exists()
    assert not Run.objects.exists()
    assert not Message.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "product"),
        ({"product": "kettle"}, "product"),
        ({"product": "teapot", "quantity": 0}, "quantity"),
        ({"product": "teapot", "quantity": "many"}, "quantity"),
    ],
)
def test_a_bad_post_names_the_field_and_changes_nothing(
    customer: Client, make_teapot: MakeTeapot, body: dict[str, object], field: str
) -> None:
    make_teapot()

    response = customer.post(reverse("orders:create"), body)

    assert response.status_code == 400
    assert field in response.json()
    assert not Order.objects.exists()
    assert not Run.objects.exists()


@pytest.mark.django_db
def test_strangers_place_no_orders(client: Client, make_teapot: MakeTeapot) -> None:
    make_teapot()

    response = client.post(reverse("orders:create"), {"product": "teapot"})

    assert response.status_code in (401, 403)
    assert not Order.objects.exists()


@pytest.mark.django_db
def test_staff_approves_and_customers_do_not(
    customer: Client, clerk: Client, make_teapot: MakeTeapot
) -> None:
    order = place_order(make_teapot())
    url = reverse("orders:approve", args=[order.number])

    assert customer.post(url).status_code == 403
    assert not Message.objects.filter(kind="SignalReceived").exists()
    assert clerk.post(url).status_code == 202
    assert Message.objects.filter(kind="SignalReceived").count() == 1


@pytest.mark.django_db
def test_what_has_ended_or_never_was_cannot_be_approved(
    clerk: Client, make_teapot: MakeTeapot
) -> None:
    order = place_order(make_teapot())
    handle_of(order).terminate("a mistake")

    ended = clerk.post(reverse("orders:approve", args=[order.number]))
    unknown = clerk.post(reverse("orders:approve", args=["NOSUCH"]))

    assert (ended.status_code, ended.json()["code"]) == (409, RunClosed.code)
    assert unknown.status_code == 404


# --- in the admin ---------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_admin_shows_orders_with_their_effects(
    clerk: Client, engine: Engine, make_teapot: MakeTeapot
) -> None:
    order = place_order(make_teapot())
    engine.go()

    listed = clerk.get(reverse("admin:orders_order_changelist"))
    page = clerk.get(reverse("admin:orders_order_change", args=[order.pk]))

    assert order.number in listed.content.decode()
    assert "Stock reservation" in page.content.decode()
    assert clerk.get(reverse("admin:orders_product_changelist")).status_code == 200


@pytest.mark.django_db
def test_the_admin_approves_what_can_be_approved(clerk: Client, make_teapot: MakeTeapot) -> None:
    teapot = make_teapot()
    ended, open_ = place_order(teapot), place_order(teapot)
    handle_of(ended).terminate()

    response = clerk.post(
        reverse("admin:orders_order_changelist"),
        {"action": "approve", "_selected_action": [ended.pk, open_.pk]},
        follow=True,
    )

    waiting = Message.objects.filter(kind="SignalReceived")
    assert [message.run.workflow_id for message in waiting] == [open_.workflow_id]
    assert [str(message) for message in response.context["messages"]]

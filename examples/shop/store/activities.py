"""The steps of an order: each with effects, each recorded once."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F

from aion import ApplicationError, RetryPolicy, activity
from store import tasks
from store.models import Order, Product


@activity.defn(transactional=True)
def take_stock(order_id: int) -> None:
    """Take the pieces out of the stock, in the transaction that records it: exactly once."""
    order = Order.objects.get(pk=order_id)
    taken = Product.objects.filter(pk=order.product_id, stock__gte=order.quantity).update(
        stock=F("stock") - order.quantity
    )
    if not taken:
        raise ApplicationError("sold out", type="SoldOut", non_retryable=True)


@activity.defn(transactional=True)
def put_back(order_id: int) -> None:
    order = Order.objects.get(pk=order_id)
    Product.objects.filter(pk=order.product_id).update(stock=F("stock") + order.quantity)


@activity.defn(
    start_to_close_timeout=timedelta(seconds=30),
    retry=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=5),
)
def charge(order_id: int) -> str:
    """Take the money. A bank knows the key and charges once, however often it is asked."""
    key = activity.info().idempotency_key
    return f"paid-{key[-12:]}"


@activity.defn(transactional=True)
def set_state(order_id: int, state: str, payment: str = "") -> None:
    Order.objects.filter(pk=order_id).update(state=state, payment=payment)


send_receipt = activity.celery_task(tasks.send_receipt, start_to_close_timeout=timedelta(minutes=1))

"""What an order does to the world. Each function is plain Django; Aion decides when it runs."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from aion import ApplicationError, RetryPolicy, activity
from examples.orders import bank
from examples.orders.models import Order, Product


@activity.defn(transactional=True)
def reserve_stock(number: str) -> None:
    """Take the pieces out of the stock: exactly once, because the outcome commits with the writes."""
    order = Order.objects.get(number=number)
    enough = Product.objects.filter(pk=order.product_id, stock__gte=order.quantity)
    if not enough.update(stock=F("stock") - order.quantity):
        raise ApplicationError(f"{order.product} is sold out", type="SoldOut", non_retryable=True)
    order.stockreservations.create(quantity=order.quantity)


@activity.defn(
    start_to_close_timeout=timedelta(seconds=30),
    retry=RetryPolicy(initial_interval=timedelta(milliseconds=250), maximum_attempts=10),
)
def charge_card(number: str) -> str:
    """Charge the card. The bank may be asked many times; the key makes it one charge."""
    order = Order.objects.select_related("product").get(number=number)
    return bank.charge(order, idempotency_key=activity.info().idempotency_key)


@activity.defn
def refund_card(number: str) -> None:
    """Give the money back, if any was taken. Doing it twice does no harm."""
    bank.refund(Order.objects.get(number=number))


@activity.defn(transactional=True)
def refuse_order(number: str) -> None:
    """Put what was reserved back into the stock and close the order."""
    order = Order.objects.get(number=number)
    for reservation in order.stockreservations.filter(released_at=None):
        reservation.released_at = timezone.now()
        reservation.save()
        Product.objects.filter(pk=order.product_id).update(stock=F("stock") + reservation.quantity)
    Order.objects.filter(number=number).update(status=Order.Status.REFUSED)


@activity.defn(transactional=True)
def ship_order(number: str) -> str:
    """Hand the parcel over and give its tracking number."""
    order = Order.objects.get(number=number)
    shipment = order.shipments.create(tracking_number=f"PARCEL-{number}")
    Order.objects.filter(number=number).update(status=Order.Status.SHIPPED)
    return shipment.tracking_number


@activity.defn(local=True, transactional=True)
def send_receipt(number: str, text: str) -> None:
    """Tell the customer. `local`: quick work, done at once by the worker that holds the run."""
    Order.objects.get(number=number).receipts.create(text=text)

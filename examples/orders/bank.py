"""A bank to practise with: slow, unreliable, and elsewhere. It knows nothing of Aion."""

from __future__ import annotations

import time

from django.utils import timezone

from examples.orders.models import Charge, ChargeAttempt, Order

FAILURES_FIRST = 2  # of each charge
LATENCY = 0.05  # seconds


class BankUnavailable(Exception):
    """The bank did not answer; ask again."""


def charge(order: Order, *, idempotency_key: str) -> str:
    """Take the money and give a reference. The same key again gives the first charge again."""
    ChargeAttempt.objects.create(order=order, idempotency_key=idempotency_key)
    time.sleep(LATENCY)
    if ChargeAttempt.objects.filter(idempotency_key=idempotency_key).count() <= FAILURES_FIRST:
        raise BankUnavailable("503 Service Unavailable")
    found, _ = Charge.objects.get_or_create(
        idempotency_key=idempotency_key, defaults={"order": order, "amount": order.amount}
    )
    return f"charge-{found.pk}"


def refund(order: Order) -> None:
    """Give back what was taken for an order, if anything was."""
    order.charges.filter(refunded_at=None).update(refunded_at=timezone.now())

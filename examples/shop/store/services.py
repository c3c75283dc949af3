"""What views, forms and commands call."""

from __future__ import annotations

from django.db import transaction

from aion import client
from store.models import Order, Product
from store.workflows import Fulfilment

LARGE = 100


def place_order(product: Product, quantity: int, email: str) -> Order:
    """Write the order and start its workflow: both are committed, or neither is."""
    with transaction.atomic():
        order = Order.objects.create(product=product, quantity=quantity, email=email)
        large = product.price * quantity > LARGE
        client.start_workflow(Fulfilment, order.pk, email, large, id=order.workflow_id)
    return order


def approve_order(order: Order, by: str) -> None:
    """Let a large order go out."""
    client.get_workflow_handle(order.workflow_id).signal(Fulfilment.approve, by)

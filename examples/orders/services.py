"""What views, the admin and scripts do with orders."""

from __future__ import annotations

from django.db import transaction

from aion import client
from examples.orders.models import Order, Product
from examples.orders.workflows import OrderWorkflow


def place_order(product: Product, quantity: int = 1) -> Order:
    """Create an order and start its workflow: both, or with a rollback neither."""
    with transaction.atomic():
        order = Order.objects.create(product=product, quantity=quantity)
        client.start_workflow(OrderWorkflow, order.number, id=order.workflow_id)
    return order


def approve_order(order: Order, by: str) -> None:
    """Approve an order. When this returns, its workflow will see it.

    Raises:
        RunClosed: the order has ended.
        RunNotFound: it has no workflow.
    """
    client.get_workflow_handle(order.workflow_id).signal(OrderWorkflow.approve, by)

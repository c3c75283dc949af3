"""Products, orders, and one row for each effect that an order had on the world.

Effect rows are plain facts without unique constraints (but for the bank's idempotency key), so that
an effect that happened twice shows: count the rows of an order.
"""

from __future__ import annotations

import secrets
from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models


def new_number() -> str:
    """Make a number for a new order."""
    return secrets.token_hex(4).upper()


class Product(models.Model):
    """Something to sell, and how many there are."""

    sku = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=9, decimal_places=2)
    stock = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """What a customer wants. Where it stands in detail, its workflow knows."""

    class Status(models.TextChoices):
        PLACED = "placed"
        SHIPPED = "shipped"
        REFUSED = "refused"

    number = models.CharField(max_length=20, unique=True, default=new_number, editable=False)
    product = models.ForeignKey(Product, models.PROTECT, related_name="orders")
    quantity = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    status = models.CharField(max_length=10, choices=Status, default=Status.PLACED)
    placed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-placed_at",)

    def __str__(self) -> str:
        return f"Order {self.number}"

    @property
    def workflow_id(self) -> str:
        """The business id of the workflow that runs this order."""
        return f"order-{self.number}"

    @property
    def amount(self) -> Decimal:
        """What the customer pays."""
        return self.product.price * self.quantity


class Effect(models.Model):
    """The base of all effects: which order, and when."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="%(class)ss")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} of {self.order}"


class StockReservation(Effect):
    """Pieces taken from the stock; `released_at` says that they were put back."""

    quantity = models.PositiveIntegerField()
    released_at = models.DateTimeField(null=True, blank=True)


class ChargeAttempt(Effect):
    """One time that the bank was asked for the money."""

    idempotency_key = models.CharField(max_length=300, db_index=True)


class Charge(Effect):
    """Money that changed hands: the bank knows one charge for an idempotency key."""

    idempotency_key = models.CharField(max_length=300, unique=True)
    amount = models.DecimalField(max_digits=9, decimal_places=2)
    refunded_at = models.DateTimeField(null=True, blank=True)


class Shipment(Effect):
    """A parcel that left the house."""

    tracking_number = models.CharField(max_length=40)


class Receipt(Effect):
    """What the customer was told in the end."""

    text = models.TextField()

"""Products and orders: ordinary models, which know nothing of workflows."""

from __future__ import annotations

from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=100, unique=True)
    price = models.DecimalField(max_digits=9, decimal_places=2)
    stock = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    class State(models.TextChoices):
        PLACED = "placed"
        APPROVAL = "approval", "waits for approval"
        SHIPPED = "shipped"
        REFUSED = "refused"

    product = models.ForeignKey(Product, models.PROTECT, related_name="orders")
    quantity = models.PositiveIntegerField(default=1)
    email = models.EmailField()
    state = models.CharField(max_length=10, choices=State, default=State.PLACED)
    payment = models.CharField(max_length=40, blank=True, default="")
    placed_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"order {self.pk}"

    @property
    def workflow_id(self) -> str:
        """The business id of the workflow that carries this order out."""
        return f"order-{self.pk}"

"""The shop's own admin, beside Aion's."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from aion import AionError
from store.models import Order, Product
from store.services import approve_order


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("name", "price", "stock")


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("pk", "product", "quantity", "state", "placed_at")
    list_filter = ("state",)
    actions = ("approve",)

    @admin.action(description="Approve", permissions=["change"])
    def approve(self, request: HttpRequest, orders: QuerySet[Order]) -> None:
        """Signal the workflow of each order."""
        for order in orders:
            try:
                approve_order(order, by=request.user.get_username())
            except AionError as error:
                self.message_user(request, str(error), messages.WARNING)

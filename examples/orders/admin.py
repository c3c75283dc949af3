"""Orders in the admin: what happened to each, and a way to approve them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from aion import AionError
from examples.orders.models import (
    Charge,
    ChargeAttempt,
    Order,
    Product,
    Receipt,
    Shipment,
    StockReservation,
)
from examples.orders.services import approve_order


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("name", "sku", "price", "stock")


class ReadOnly:
    """Effects are facts: looked at, not edited."""

    def has_add_permission(self, *_: Any) -> bool:
        """Nobody makes effects up."""
        return False

    def has_change_permission(self, *_: Any) -> bool:
        """Nobody changes them."""
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        """Nobody takes them back."""
        return False


def effects(kind: type[Any]) -> type[admin.TabularInline]:
    """Show the effects of one kind on the page of their order."""
    return type(f"{kind.__name__}s", (ReadOnly, admin.TabularInline), {"model": kind, "extra": 0})


@admin.register(Order)
class OrderAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("number", "product", "quantity", "status", "placed_at")
    list_filter = ("status", "product")
    search_fields = ("number",)
    inlines = tuple(map(effects, (StockReservation, ChargeAttempt, Charge, Shipment, Receipt)))
    actions = ("approve",)

    @admin.action(description="Approve the selected orders", permissions=["approve"])
    def approve(self, request: HttpRequest, orders: QuerySet[Order]) -> None:
        """Signal the workflow of each order."""
        for order in orders:
            try:
                approve_order(order, by=request.user.get_username())
            except AionError as error:
                self.message_user(request, str(error), messages.WARNING)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """Those who may change orders may approve them."""
        return request.user.has_perm("orders.change_order")

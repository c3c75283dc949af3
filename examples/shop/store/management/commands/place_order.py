"""`manage.py place_order "Tea pot" 2`: for trying the shop out."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from store.models import Product
from store.services import place_order


class Command(BaseCommand):
    help = "Places an order, makes the product if there is none, and prints the workflow id."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("product")
        parser.add_argument("quantity", type=int, nargs="?", default=1)
        parser.add_argument("--email", default="ada@example.com")

    def handle(self, *args: Any, **options: Any) -> None:
        product, _ = Product.objects.get_or_create(
            name=options["product"], defaults={"price": 30, "stock": 10}
        )
        order = place_order(product, options["quantity"], options["email"])
        self.stdout.write(order.workflow_id)

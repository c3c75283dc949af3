from collections.abc import Callable
from typing import Any

import pytest

from aion_engine.testing.pytest_plugin import aion_env
from examples.orders import bank
from examples.orders.models import Product
from tests.support.fixtures import clock, engine

__all__ = ["aion_env", "clock", "engine"]


@pytest.fixture
def make_teapot(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Product]:
    """Makes the product, and the bank quick: a test shall not wait for it."""
    monkeypatch.setattr(bank, "LATENCY", 0)

    def make(**fields: Any) -> Product:
        values = {"sku": "teapot", "name": "Teapot", "price": "24.90", "stock": 5, **fields}
        return Product.objects.create(**values)

    return make

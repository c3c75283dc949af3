"""Pages of lists, among a million runs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from django.db import connection
from django.test.utils import CaptureQueriesContext

from aion import client
from benchmarks.figures import Figures, Size
from benchmarks.measuring import call_durations, percentile
from benchmarks.on_aion import many_rows

_CHANCE: Final = random.Random(7)


def list_page(size: Size) -> Figures:
    """Read each kind of page again and again, where it filters each time by another value."""
    assert size["events"] == size["runs"] * many_rows.EVENTS
    many_rows.write(size["runs"])
    figures: dict[str, float] = {}
    statements: set[int] = set()
    for name, read in _READS.items():
        read()  # what a process looks up once does not count
        with CaptureQueriesContext(connection) as captured:
            read()
        if name != "count":
            statements.add(len(captured))
        figures[name] = percentile(call_durations(read, calls=size["pages"]), 95) * 1000
    assert len(statements) == 1, statements
    figures["statements"] = statements.pop()
    return {"": max(figures[name] for name in _READS), **figures}


def _first() -> None:
    assert client.list_workflows().page().runs


def _by_type_and_status() -> None:
    workflow_type = _CHANCE.choice(many_rows.TYPES)
    status = _CHANCE.choice(["completed", "failed", "running"])
    client.list_workflows(workflow_type=workflow_type, status=status).page()


def _by_search_attribute() -> None:
    customer = _CHANCE.randrange(many_rows.CUSTOMERS)
    client.list_workflows(search_attributes={"CustomerId": customer}).page()


def _count() -> None:
    client.count_workflows(status="completed")


_READS: Final[dict[str, Callable[[], None]]] = {
    "first": _first,
    "type_and_status": _by_type_and_status,
    "search_attribute": _by_search_attribute,
    "count": _count,
}

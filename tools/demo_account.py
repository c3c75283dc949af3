"""What the demo shows at its end: the history of one order, and whether all effects are right."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from django.db import connection
from django.db.models import Count

from aion import client
from aion.core import events
from aion.core.history import Recorded
from aion.models import Run
from examples.orders.bank import FAILURES_FIRST
from examples.orders.models import Order, Product

EFFECTS = ("stockreservations", "charges", "shipments", "receipts")
"""Of each, an order that ends well has one."""

Moment = tuple[dt.datetime, str]


# ---------------------------------------------------------------------------------------- counting


def per_order(effect: str) -> list[int]:
    """Count the effects of one kind, for each order."""
    return list(Order.objects.annotate(n=Count(effect)).values_list("n", flat=True))


def effect_counts() -> dict[str, int]:
    """Count all effects, by kind."""
    return {effect: sum(per_order(effect)) for effect in EFFECTS}


def number(sql: str) -> int:
    """Ask the database for a number, in plain SQL."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


# ------------------------------------------------------------------------------------- the account

GAPS = """
SELECT count(*) FROM (
    SELECT run_id FROM aion_event GROUP BY run_id HAVING min(seq) <> 1 OR max(seq) <> count(*)
) AS broken
"""
# One start, four activities, one approval, one end.
MISCOUNTED = """
SELECT count(*) FROM (
    SELECT run_id FROM aion_event
    WHERE kind IN ('WorkflowStarted', 'ActivityCompleted', 'SignalReceived', 'WorkflowCompleted')
    GROUP BY run_id HAVING count(*) <> 7
) AS miscounted
"""
LEFT_OVER = """
SELECT (SELECT count(*) FROM aion_activitytask) + (SELECT count(*) FROM aion_message)
     + (SELECT count(*) FROM aion_timer)
"""


@dataclass(frozen=True)
class Check:
    """One line of the account."""

    what: str
    wanted: str
    found: str
    good: bool


def check_orders(orders: int) -> list[Check]:
    """Check the effects of each order."""
    asked = per_order("chargeattempts")
    least = FAILURES_FIRST + 1
    return [
        *(_each(effect, per_order(effect), orders) for effect in EFFECTS),
        Check("times the bank was asked", f">= {least}", _span(asked), min(asked) >= least),
    ]


def check_sums(orders: int, stock: int) -> list[Check]:
    """Check what the orders left behind, and the histories."""
    return [
        _equal("orders shipped", orders, Order.objects.filter(status="shipped").count()),
        _equal("pieces left in stock", stock - orders, Product.objects.get().stock),
        _equal("runs completed", orders, Run.objects.filter(status="completed").count()),
        _equal("histories with a gap", 0, number(GAPS)),
        _equal("histories with a step lost or doubled", 0, number(MISCOUNTED)),
        _equal("activities, messages, timers left over", 0, number(LEFT_OVER)),
    ]


def _each(effect: str, counts: list[int], orders: int) -> Check:
    return Check(effect, "1", _span(counts), counts == [1] * orders)


def _span(counts: list[int]) -> str:
    least, most = min(counts), max(counts)
    return str(least) if least == most else f"{least} to {most}"


def _equal(what: str, wanted: int, found: int) -> Check:
    return Check(what, str(wanted), str(found), wanted == found)


def print_table(title: str, checks: Sequence[Check]) -> None:
    """Print one line for each check."""
    print(f"\n{title:<42}{'wanted':>8}{'found':>9}")
    for check in checks:
        verdict = "ok" if check.good else "WRONG"
        print(f"  {check.what:<40}{check.wanted:>8}{check.found:>9}  {verdict}")


# ------------------------------------------------------------------------------------ the timeline


def print_timeline(marks: Sequence[Moment]) -> None:
    """Print the history of the order that was held up the longest, with marks of what else happened."""
    orders = Order.objects.order_by("pk")
    handles = [client.get_workflow_handle(order.workflow_id) for order in orders]
    histories = {handle.workflow_id: handle.fetch_history() for handle in handles}
    workflow_id, history = max(histories.items(), key=lambda item: _longest_pause(item[1]))
    moments = [(moment, f"---- {words} ----") for moment, words in marks]
    moments += _lines(history)
    print(f"\nThe history of {workflow_id}, which the kill held up the longest:")
    for moment, line in sorted(moments, key=lambda item: item[0]):
        seconds = (moment - history[0].recorded_at).total_seconds()
        print(f"{seconds:+8.3f} s  {line}".rstrip())


def _longest_pause(history: Sequence[Recorded]) -> dt.timedelta:
    return max(after.recorded_at - before.recorded_at for before, after in pairwise(history))


def _lines(history: Sequence[Recorded]) -> list[Moment]:
    names = {
        one.event.activity_id: one.event.activity_type
        for one in history
        if isinstance(one.event, events.ActivityScheduled)
    }
    return [
        (one.recorded_at, f"{one.seq:>3}  {one.kind:<18} {_describe(one, names)}")
        for one in history
    ]


def _describe(one: Recorded, names: dict[str, str]) -> str:
    match one.event:
        case events.WorkflowStarted() as event:
            return f"{event.workflow_type}({_arguments(event.input)})"
        case events.WorkflowCompleted() as event:
            return f"gives {_text(event.result)}"
        case events.ActivityScheduled() as event:
            return f"{event.activity_type}({_arguments(event.input)})"
        case events.ActivityStarted() as event:
            return f"{names[event.activity_id]}, attempt {event.attempt}, by {event.worker}"
        case events.ActivityCompleted() as event:
            name = f"{event.activity_type}, local," if event.local else names[event.activity_id]
            return f"{name} gives {_text(event.result)}"
        case events.SignalReceived() as event:
            return f"{event.name}({_arguments(event.input)})"
        case events.TimerStarted() as event:
            return f"fires in {event.fire_at - one.recorded_at}"
        case _:
            return ""


def _text(payload: events.Payload) -> str:
    return bytes(payload).decode()


def _arguments(payload: events.Payload) -> str:
    return ", ".join(json.dumps(each) for each in json.loads(bytes(payload)).get("args", ()))

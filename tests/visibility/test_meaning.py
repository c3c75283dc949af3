"""Names get fields and literals get types, or an error that points at them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from aion.core.errors import InvalidListQuery
from aion.core.search_attributes import AttributeKind
from aion.visibility import parse, resolve, resolve_order, search_box

NOW = dt.datetime(2030, 1, 10, tzinfo=dt.UTC)
RUN = uuid.UUID(int=7)
KINDS = {
    "CustomerId": AttributeKind.INT,
    "Price": AttributeKind.FLOAT,
    "Note": AttributeKind.TEXT,
    "Colour": AttributeKind.KEYWORD,
    "Tags": AttributeKind.KEYWORD_LIST,
    "DueAt": AttributeKind.DATETIME,
    "Paid": AttributeKind.BOOL,
}


def values(text: str) -> tuple[Any, ...]:
    return resolve(parse(text), kinds=KINDS, now=NOW).values  # type: ignore[union-attr]


DAY = dt.timedelta(days=1)
TAKEN: list[tuple[str, Any]] = [
    ("StartTime > '2030-01-01'", dt.datetime(2030, 1, 1, tzinfo=dt.UTC)),
    ("StartTime > '2030-01-01T02:00:00+02:00'", dt.datetime(2030, 1, 1, tzinfo=dt.UTC)),
    ("StartTime > 'now'", NOW),
    ("StartTime > 'now-24h'", NOW - DAY),
    ("StartTime > '-1d'", NOW - DAY),
    ("StartTime > 'now + 1d'", NOW + DAY),
    ("DueAt < 'now-1h30m'", NOW - dt.timedelta(hours=1, minutes=30)),
    ("ExecutionDuration > '90s'", dt.timedelta(seconds=90)),
    ("ExecutionDuration > '01:30:00'", dt.timedelta(minutes=90)),
    ("ExecutionStatus = 'TimedOut'", "timed_out"),
    ("ExecutionStatus = 'timed_out'", "timed_out"),
    ("ExecutionStatus = 'Canceled'", "cancelled"),
    (f"RunId = '{RUN}'", RUN),
    ("Held = true", True),
    ("CustomerId = 42", 42),
    ("Price = 42", 42.0),
    ("Note = 'Fragile, GLASS'", ("fragile", "glass")),
    ("Tags = 'a'", "a"),
]


@pytest.mark.parametrize(("text", "value"), TAKEN)
def test_a_literal_gets_the_type_of_its_field(text: str, value: Any) -> None:
    assert values(text) == (value,)


REFUSED: list[tuple[str, str, int]] = [
    ("CustomrId = 1", "did you mean CustomerId?", 0),
    ("customerid = 1", "did you mean CustomerId?", 0),
    ("Nonsense = 1", "ExecutionStatus", 0),
    ("CustomerId = 'x'", "takes an integer", 13),
    ("CustomerId = 1.5", "takes an integer", 13),
    ("CustomerId = true", "takes an integer", 13),
    ("CustomerId IN (1, 99999999999999999999)", "takes an integer", 18),
    ("CustomerId STARTS_WITH '1'", "does not take STARTS_WITH, but =", 0),
    ("ExecutionStatus = 'Runing'", "one of Running, Paused", 18),
    ("ExecutionStatus > 'Running'", "does not take >", 0),
    ("StartTime > 'yesterday'", "takes a time such as", 12),
    ("StartTime > 5", "takes a time such as", 12),
    ("StartTime > 'now-999999999w999999999w'", "takes a time such as", 12),
    ("ExecutionDuration > 90", "takes a duration such as", 20),
    ("ExecutionDuration > '90'", "takes a duration such as", 20),
    ("RunId = 'x'", "a UUID", 8),
    ("Held = 1", "true or false", 7),
    ("Price = true", "a finite number", 8),
    ("Note = '!'", "with a word in it", 7),
    ("Note IN ('a')", "does not take IN", 0),
    ("Tags < 'a'", "does not take <", 0),
    ("Paid IN (true)", "does not take IN", 0),
    ("Colour = 5", "text in quotes", 9),
    ("WorkflowId = '" + "x" * 256 + "'", "at most 255", 13),
]


@pytest.mark.parametrize(
    ("text", "expected", "position"), REFUSED, ids=lambda value: str(value)[:30]
)
def test_what_does_not_go_together_is_refused_at_its_place(
    text: str, expected: str, position: int
) -> None:
    with pytest.raises(InvalidListQuery) as caught:
        resolve(parse(text), kinds=KINDS, now=NOW)

    assert expected in str(caught.value)
    assert caught.value.position == position


def test_lists_are_ordered_by_times_only() -> None:
    assert resolve_order(parse("").order, "") == ("StartTime", True)
    assert resolve_order(parse("ORDER BY CloseTime").order, "") == ("CloseTime", False)
    text = "ORDER BY CustomerId"
    with pytest.raises(InvalidListQuery, match="StartTime or CloseTime") as caught:
        resolve_order(parse(text).order, text)
    assert caught.value.position == 9


def test_a_search_means_the_same_as_a_query() -> None:
    def means(text: str) -> Any:
        return resolve(search_box(text, KINDS), kinds=KINDS, now=NOW)

    pairs = {
        "type:Checkout status:failed,TimedOut": (
            "WorkflowType = 'Checkout' AND ExecutionStatus IN ('Failed', 'TimedOut')"
        ),
        "order- is:held": "WorkflowId STARTS_WITH 'order-' AND Held = true",
        "id:order-7": "WorkflowId STARTS_WITH 'order-7'",
        "-is:open": "NOT CloseTime IS NULL",
        "is:closed": "CloseTime IS NOT NULL",
        "started:>-24h closed:<=2030-01-01": ("StartTime > '-24h' AND CloseTime <= '2030-01-01'"),
        'queue:"a b" parent:family': "TaskQueue = 'a b' AND ParentWorkflowId = 'family'",
        "attr.CustomerId>=42 attr.Colour=12 attr.Paid:true": (
            "CustomerId >= 42 AND Colour = '12' AND Paid = true"
        ),
        "attr.Note=glass -attr.Tags=x": "Note = 'glass' AND NOT Tags = 'x'",
        '"type:of"': "WorkflowId STARTS_WITH 'type:of'",
        str(RUN): f"WorkflowId STARTS_WITH '{RUN}' OR RunId = '{RUN}'",
        f"root:{RUN}": f"RootRunId = '{RUN}'",
        "  ": "",
    }
    for search, query in pairs.items():
        assert means(search) == resolve(parse(query), kinds=KINDS, now=NOW), search


@pytest.mark.parametrize(
    ("text", "expected", "position"),
    [
        ("a typ:Checkout", "did you mean type?", 2),
        ("status:runing", "one of Running", 7),
        ("type:", "needs a value", 0),
        ('type:"x', "never closed", 5),
        ("started:2030-01-01", "needs a sign", 0),
        ("started:>soon", "takes a time", 9),
        ("is:happy", "held, open or closed", 0),
        ("attr.Unknown=1", "Nothing is called Unknown", 0),
        ("attr.CustomerId=x", "takes an integer", 16),
    ],
)
def test_a_search_is_refused_at_its_place(text: str, expected: str, position: int) -> None:
    with pytest.raises(InvalidListQuery) as caught:
        resolve(search_box(text, KINDS), kinds=KINDS, now=NOW)

    assert expected in str(caught.value)
    assert caught.value.position == position

"""Queries, search boxes, filters and cursors: a list, or an error of ours that says where."""

from __future__ import annotations

import base64
import time
from typing import Any, Final

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from aion import client
from aion.core.errors import InvalidArgument
from aion.visibility import parse, search_box
from aion.visibility.lexer import MOST_CHARACTERS
from tests.security.bounds import bounded, numbers, texts, values
from tests.support import kit
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

WORDS: Final = [
    *("WorkflowId", "RunId", "WorkflowType", "ExecutionStatus", "StartTime", "CloseTime"),
    *("ExecutionDuration", "TaskQueue", "ParentWorkflowId", "ParentRunId", "RootRunId", "Held"),
    *("HistoryLength", "HistoryBytes", "color", "n", "at", "tags", "customer", "Nope"),
    *("=", "!=", "<>", "<", "<=", ">", ">=", "(", ")", ",", "AND", "OR", "NOT", "IN", "IS", "NULL"),
    *("BETWEEN", "STARTS_WITH", "ORDER", "BY", "ASC", "DESC", "TRUE", "FALSE"),
    *("'open'", "'%_\\'", "'*?['", "'x'", "''''", "'", '"', "1", "-1", "1e308", "1e999", "9" * 39),
    *("'now'", "'now-24h'", "'now-999999999w'", "'0001-01-01T00:00:00+14:00'", "'90s'", "'failed'"),
    *("'00000000-0000-0000-0000-000000000000'", "'\u0661'", "'\x00'", "\ud800", "--", ";", "%s"),
]
QUALIFIERS: Final = [
    *("type:x", "status:failed", "status:failed,open", "id:", "-id:x", "run:x", "is:held", "is:x"),
    *("started:>2026-01-31", "started:<-24h", "closed:>x", "attr.n=1", "attr.n:1", "attr.color=x"),
    *("attr.tags=a", "attr.n>=99999999999999999999", "attr.Nope=1", '"', '"a b"', "-", "--", ":"),
]
queries = st.lists(st.sampled_from(WORDS) | texts, max_size=12).map(" ".join)
searches = st.lists(st.sampled_from(QUALIFIERS) | texts, max_size=6).map(" ".join)
raw_cursors = st.binary(max_size=60) | st.sampled_from(
    [
        b'["StartTime",true,null,"00000000-0000-0000-0000-000000000000"]',
        b'["StartTime",true,"0001-01-01T00:00:00+14:00","00000000-0000-0000-0000-000000000000"]',
        b'["StartTime",true,"9999-12-31T23:59:59-14:00","00000000-0000-0000-0000-000000000000"]',
        b'["StartTime",true,"2026-01-01T00:00:00","00000000-0000-0000-0000-000000000000"]',
        b"[" * 700,
    ]
)
cursors = texts | raw_cursors.map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="))
FIELDS: Final = ("workflow_id", "workflow_type", "status", "started_after", "held")


@pytest.fixture(autouse=True)
def some(engine: Engine) -> None:
    client.start_workflow(kit.greet, "ann", id="open", search_attributes={"color": "red", "n": 1})
    client.start_workflow(kit.greet, "bob", id="done", search_attributes={"tags": ["a"]})
    engine.go()


def listed(**chosen: Any) -> None:
    """List and count; whatever is refused is said to be a wrong argument."""
    cursor = chosen.pop("cursor", "")
    at = transaction.savepoint()
    try:
        client.list_workflows(**chosen, page_size=1).page(cursor)
        client.count_workflows(**chosen)
        client.count_workflows(**chosen, group_by="status")
    except InvalidArgument as error:
        assert str(error)
    transaction.savepoint_rollback(at)


@bounded(60)
@given(query=queries)
def test_queries(query: str) -> None:
    listed(query=query)


@bounded(40)
@given(search=searches)
def test_search_boxes(search: str) -> None:
    listed(search=search)


@bounded(40)
@given(cursor=cursors, query=st.sampled_from(["", "ORDER BY CloseTime ASC"]))
def test_cursors(cursor: str, query: str) -> None:
    listed(query=query, cursor=cursor)


@bounded(40)
@given(chosen=st.dictionaries(st.sampled_from(FIELDS), values | st.datetimes(), max_size=2))
def test_filters(chosen: dict[str, Any]) -> None:
    listed(**chosen)


@bounded(20)
@given(size=numbers | texts, cap=numbers | texts)
def test_sizes_and_caps(size: Any, cap: Any) -> None:
    for call in (
        lambda: client.list_workflows(page_size=size).page(),
        lambda: client.count_workflows(cap=cap),
    ):
        try:
            call()
        except InvalidArgument as error:
            assert str(error)


@pytest.mark.parametrize("read", [parse, search_box])
@pytest.mark.parametrize(
    "unit", ["'", '"', "''", "(", "NOT ", "a=1 AND ", "a IN (", '"x" ', "1.", "-", "x" * 100 + " "]
)
def test_the_longest_text_is_read_or_refused_soon(read: Any, unit: str) -> None:
    for text in (unit * (MOST_CHARACTERS // len(unit)), unit * 2_000_000 if len(unit) < 4 else ""):
        began = time.process_time()
        try:
            read(text)
        except InvalidArgument:
            pass
        assert time.process_time() - began < 5

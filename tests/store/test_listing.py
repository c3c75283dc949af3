"""What SQL finds is what the words of a query say, on both databases; pages neither repeat nor miss a run."""

from __future__ import annotations

import datetime as dt
import operator
import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aion.core.search_attributes import AttributeKind, normalised, words_of
from aion.core.status import RunStatus
from aion.models import Run
from aion.store import listing, search_values
from aion.store.dialects import connection
from aion.store.listing import Key, Selection, key_of
from aion.visibility import And, Not, Operator, Or, Query, Test, parse, printed, resolve
from tests.support import kit
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

# The store writes times in full; the ORM, which makes the rows here, would leave out a fraction of zero.
NOW = dt.datetime(2030, 1, 10, microsecond=5, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
KINDS = {
    "Number": AttributeKind.INT,
    "Price": AttributeKind.FLOAT,
    "Note": AttributeKind.TEXT,
    "Colour": AttributeKind.KEYWORD,
    "Tags": AttributeKind.KEYWORD_LIST,
    "DueAt": AttributeKind.DATETIME,
    "Paid": AttributeKind.BOOL,
}
IDS = ["order-1", "order-2", "order_1", "order%", "Order-1", "o*der", "ärger", "zulu", "a b"]
WORDS = ["red", "Red", "blue glass", "green, GLASS", "ä%_*?["]


def make_runs(number: int = 40) -> list[dict[str, Any]]:
    """Runs of every shape, as rows and as plain values."""
    chance = random.Random(7)
    runs = [make_run(chance, index) for index in range(number)]
    for run in runs[5:25]:
        parent = runs[chance.randrange(5)]
        run["parent"] = parent
    Run.objects.bulk_create([row(run) for run in runs])
    with connection().cursor() as cursor:
        found = [(run["id"], *normalised(run["attributes"], KINDS)) for run in runs]
        search_values.insert(found, cursor=cursor)
    return runs


def make_run(chance: random.Random, index: int) -> dict[str, Any]:
    status = chance.choice(list(RunStatus))
    started = NOW - HOUR * chance.randrange(6)
    attributes = {
        "Number": chance.randrange(3),
        "Price": chance.choice([0.5, 1.0, 2.5]),
        "Note": chance.choice(WORDS),
        "Colour": chance.choice(WORDS),
        "Tags": chance.sample(WORDS, chance.randrange(3)),
        "DueAt": NOW + HOUR * chance.randrange(3),
        "Paid": chance.random() < 0.5,
    }
    kept = {name: value for name, value in attributes.items() if chance.random() < 0.7}
    return {
        "id": uuid.UUID(int=chance.getrandbits(128)),
        "workflow_id": chance.choice(IDS) + f"/{index}",
        "type": chance.choice(["Order", "Ship"]),
        "status": status,
        "started": started,
        "closed": None if status.is_open else started + HOUR * chance.randrange(4),
        "held": status.is_open and chance.random() < 0.5,
        "events": chance.randrange(1, 4),
        "attributes": kept,
        "parent": None,
    }


def row(run: dict[str, Any]) -> Run:
    parent = run["parent"]
    return Run(
        id=run["id"],
        workflow_id=run["workflow_id"],
        workflow_type=run["type"],
        status=str(run["status"]),
        started_at=run["started"],
        closed_at=run["closed"],
        held_until=NOW if run["held"] else None,
        first_seq=3,
        head_seq=2 + run["events"],
        history_bytes=run["events"] * 100,
        parent_run_id=parent and parent["id"],
        root_run_id=parent["id"] if parent else run["id"],
        search_attributes={},
    )


# --- what a condition means, in Python ------------------------------------------------------------

SIGNS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
}


def value_in(run: dict[str, Any], name: str) -> Any:
    parent = run["parent"]
    built_in: dict[str, Callable[[], Any]] = {
        "WorkflowId": lambda: run["workflow_id"],
        "RunId": lambda: run["id"],
        "WorkflowType": lambda: run["type"],
        "ExecutionStatus": lambda: str(run["status"]),
        "StartTime": lambda: run["started"],
        "CloseTime": lambda: run["closed"],
        "ExecutionDuration": lambda: run["closed"] and run["closed"] - run["started"],
        "TaskQueue": lambda: "default",
        "ParentWorkflowId": lambda: parent and parent["workflow_id"],
        "ParentRunId": lambda: parent and parent["id"],
        "RootRunId": lambda: parent["id"] if parent else run["id"],
        "Held": lambda: run["held"],
        "HistoryLength": lambda: run["events"],
        "HistoryBytes": lambda: run["events"] * 100,
    }
    if name in built_in:
        return built_in[name]()
    value = run["attributes"].get(name)
    return None if value == [] else value


def holds(node: Any, run: dict[str, Any]) -> bool:
    match node:
        case And(terms):
            return all(holds(term, run) for term in terms)
        case Or(terms):
            return any(holds(term, run) for term in terms)
        case Not(term):
            return not holds(term, run)
        case _:
            return condition_holds(node, run)


def condition_holds(node: Any, run: dict[str, Any]) -> bool:
    value = value_in(run, node.field.name)
    if node.operator is Operator.IS_NULL:
        return value is None
    if value is None:
        return False
    if node.field.attribute is AttributeKind.TEXT:
        return text_holds(node, words_of(value))
    if node.field.attribute is AttributeKind.KEYWORD_LIST:
        return list_holds(node, value)
    return one_holds(node.operator, value, node.values)


def text_holds(node: Any, words: list[str]) -> bool:
    match node.operator:
        case Operator.IS_NOT_NULL:
            return True
        case Operator.STARTS_WITH:
            *whole, last = node.values[0]
            return set(whole) <= set(words) and any(word.startswith(last) for word in words)
        case _:
            return (set(node.values[0]) <= set(words)) is (node.operator is Operator.EQ)


def list_holds(node: Any, items: list[str]) -> bool:
    match node.operator:
        case Operator.NE | Operator.NOT_IN:
            return not set(items) & set(node.values)
        case Operator.EQ | Operator.IN:
            return bool(set(items) & set(node.values))
        case _:
            return any(one_holds(node.operator, item, node.values) for item in items)


def one_holds(sign: Operator, value: Any, values: tuple[Any, ...]) -> bool:
    if isinstance(value, str):  # the order of code points is that of UTF-8
        value, values = value.encode(), tuple(one.encode() for one in values)
    match sign:
        case Operator.IS_NOT_NULL:
            return True
        case Operator.IN | Operator.NOT_IN:
            return (value in values) is (sign is Operator.IN)
        case Operator.BETWEEN:
            return bool(values[0] <= value <= values[1])
        case Operator.STARTS_WITH:
            return bool(value.startswith(values[0]))
        case _:
            return SIGNS[sign](value, values[0])


# --- queries --------------------------------------------------------------------------------------

SAMPLES: dict[str, st.SearchStrategy[Any]] = {
    "WorkflowId": st.sampled_from([*IDS, "order", "o", "", *(f"{one}/1" for one in IDS)]),
    "WorkflowType": st.sampled_from(["Order", "Ship", "S", "x"]),
    "TaskQueue": st.sampled_from(["default", "d", "other"]),
    "ParentWorkflowId": st.sampled_from([f"{one}/{index}" for one in IDS for index in range(5)]),
    "ExecutionStatus": st.sampled_from([str(status) for status in RunStatus]),
    "StartTime": st.integers(0, 6).map(lambda hours: (NOW - HOUR * hours).isoformat()),
    "CloseTime": st.integers(-3, 6).map(lambda hours: (NOW - HOUR * hours).isoformat()),
    "ExecutionDuration": st.sampled_from(["0s", "1h", "90m", "3h"]),
    "Held": st.booleans(),
    "HistoryLength": st.integers(0, 4),
    "HistoryBytes": st.sampled_from([100, 250, 300]),
    "RunId": st.sampled_from([str(uuid.UUID(int=n)) for n in (0, 7)]),
    "ParentRunId": st.just(str(uuid.UUID(int=0))),
    "RootRunId": st.just(str(uuid.UUID(int=0))),
    "Number": st.integers(-1, 3),
    "Price": st.sampled_from([0.5, 1, 2]),
    "Note": st.sampled_from(["red", "GLASS", "blue glass", "gl", "glass blue g"]),
    "Colour": st.sampled_from([*WORDS, "r", "ä%"]),
    "Tags": st.sampled_from([*WORDS, "r"]),
    "DueAt": st.integers(-1, 3).map(lambda hours: (NOW + HOUR * hours).isoformat()),
    "Paid": st.booleans(),
}


@st.composite
def leaf(draw: Any) -> Test:
    from aion.visibility.fields import OPERATORS, field_of

    name = draw(st.sampled_from(sorted(SAMPLES)))
    field = field_of(name, KINDS)
    assert field is not None
    sign = draw(st.sampled_from(sorted(OPERATORS[field.kind], key=lambda each: each.value)))
    number = {
        Operator.IS_NULL: 0,
        Operator.IS_NOT_NULL: 0,
        Operator.BETWEEN: 2,
        Operator.IN: 2,
        Operator.NOT_IN: 2,
    }.get(sign, 1)
    return Test(name, sign, tuple(draw(SAMPLES[name]) for _ in range(number)))


trees: st.SearchStrategy[Any] = st.recursive(
    leaf(),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(And), st.tuples(inner, inner).map(Or), inner.map(Not)
    ),
    max_leaves=5,
)


@pytest.fixture
def runs() -> list[dict[str, Any]]:
    return make_runs()


def test_sql_finds_what_the_query_says(runs: list[dict[str, Any]]) -> None:
    @settings(max_examples=120, deadline=None)
    @given(trees)
    def check(tree: Any) -> None:
        meaning = resolve(parse(printed(Query(tree))), kinds=KINDS, now=NOW)

        found = page(meaning, limit=100)

        assert {run.id for run in found} == {run["id"] for run in runs if holds(meaning, run)}

    check()


@pytest.mark.parametrize("name", ["RunId", "ParentRunId", "RootRunId"])
@pytest.mark.parametrize("sign", [Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN])
def test_runs_are_found_by_ids(runs: list[dict[str, Any]], name: str, sign: Operator) -> None:
    values = tuple(str(run["id"]) for run in runs[: 1 if sign.value in ("=", "!=") else 3])
    meaning = resolve(Query(Test(name, sign, values)), kinds=KINDS, now=NOW)

    found = {run.id for run in page(meaning, limit=100)}

    assert found == {run["id"] for run in runs if holds(meaning, run)}
    assert found


def page(
    meaning: Any,
    *,
    order: str = "StartTime",
    descending: bool = True,
    after: Key | None = None,
    limit: int,
) -> list[listing.ListedRun]:
    return listing.page(
        Selection(meaning), order=order, descending=descending, after=after, limit=limit
    )


@pytest.mark.parametrize("order", ["StartTime", "CloseTime"])
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_pages_are_in_order_and_complete(
    runs: list[dict[str, Any]], order: str, descending: bool, size: int
) -> None:
    far = NOW + HOUR * 1000
    at = "started" if order == "StartTime" else "closed"
    expected = sorted(((run[at] or far, run["id"].hex) for run in runs), reverse=descending)

    seen: list[Any] = []
    after = None
    while found := page(None, order=order, descending=descending, after=after, limit=size):
        seen += [(key_of(run, order).at or far, run.id.hex) for run in found]
        after = key_of(found[-1], order)

    assert seen == expected


def test_runs_that_start_and_close_between_pages_shift_nothing(
    runs: list[dict[str, Any]],
) -> None:
    first = page(None, limit=10)
    Run.objects.create(
        workflow_id="new", workflow_type="New", status="running", started_at=NOW + HOUR
    )
    Run.objects.filter(id=first[3].id).delete()

    rest = page(None, after=key_of(first[-1], "StartTime"), limit=100)

    assert {run.id for run in [*first, *rest]} == {run["id"] for run in runs}
    assert len(rest) == len(runs) - 10


@pytest.mark.parametrize("cap", [1, 3, 1000])
def test_counts_stop_at_their_cap(runs: list[dict[str, Any]], cap: int) -> None:
    def capped(chosen: list[Any]) -> int:
        return min(len(chosen), cap + 1)

    meaning = resolve(parse("Number >= 1"), kinds=KINDS, now=NOW)
    chosen = [run for run in runs if holds(meaning, run)]
    statuses = {str(run["status"]) for run in chosen}
    types = {run["type"] for run in chosen}

    assert listing.count(Selection(meaning), cap=cap) == capped(chosen)
    assert listing.count_by_status(Selection(meaning), cap=cap) == {
        status: capped([run for run in chosen if run["status"] == status]) for status in statuses
    }
    assert listing.count_by_type(Selection(meaning), cap=cap, most_types=1000) == {
        name: capped([run for run in chosen if run["type"] == name]) for name in types
    }


def test_counts_of_nothing() -> None:
    assert listing.count(Selection(), cap=10) == 0
    assert listing.count_by_status(Selection(), cap=10) == {}
    assert listing.count_by_type(Selection(), cap=10, most_types=10) == {}


def test_a_page_is_one_statement_that_reads_nothing_large(
    runs: list[dict[str, Any]], django_assert_num_queries: Any
) -> None:
    meaning = resolve(parse("Number = 1 OR Note = 'blue glass'"), kinds=KINDS, now=NOW)

    with django_assert_num_queries(1) as captured:
        page(meaning, limit=50)

    sql = captured.captured_queries[0]["sql"].lower()
    for large in ("memo", "result", "failure", "problem,", "aion_event"):
        assert large not in sql


def updates_of_runs() -> tuple[int, int]:
    """How many rows of runs this session has updated, and how many of them without an index."""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_get_xact_tuples_updated(t), pg_stat_get_xact_tuples_hot_updated(t) "
            "FROM (SELECT 'aion_run'::regclass::oid AS t) AS run"
        )
        updated, hot = cursor.fetchone()
    return updated, hot


@pytest.mark.postgres
def test_the_update_of_a_turn_touches_no_index(engine: Engine, script: Any) -> None:
    """A HOT update: the indexes of lists cost nothing while a run goes on."""
    from aion import workflow

    @script
    async def main(me: kit.Scripted) -> None:
        await workflow.wait_condition(lambda: False)

    # What earlier transactions of the session did is counted too until the server collects it.
    updated_before, hot_before = updates_of_runs()
    handle = engine.start("main")
    engine.turns()
    for number in range(5):
        handle.signal("note", number)
        engine.turns()

    updated, hot = updates_of_runs()
    assert updated - updated_before == hot - hot_before >= 6

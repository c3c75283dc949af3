"""Histories: appended at the head or not at all, read in ranges."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from aion.core.errors import SequenceConflict
from aion.core.events import SignalReceived, WorkflowStarted
from aion.core.history import Recorded
from aion.core.ids import uuid7
from aion.models import Event, Run
from aion.store import histories
from tests.support.clocks import START
from tests.support.rows import insert_run, signals

pytestmark = pytest.mark.django_db


def test_append_at_the_head_moves_the_head_and_the_size() -> None:
    run_id = insert_run()
    before = Run.objects.get(id=run_id).history_bytes

    histories.append(run_id, signals(2, 3), expected_seq=1)

    run = Run.objects.get(id=run_id)
    assert run.head_seq == 4
    stored = Event.objects.filter(run_id=run_id, seq__gt=1).values_list("attributes", flat=True)
    assert run.history_bytes == before + sum(len(text) for text in stored)


@pytest.mark.parametrize(("expected", "found"), [(1, 3), (2, 3), (4, 3), (7, 3)])
def test_a_stale_or_early_append_is_a_conflict_and_appends_nothing(
    expected: int, found: int
) -> None:
    run_id = insert_run()
    histories.append(run_id, signals(2, 2), expected_seq=1)
    before = Run.objects.filter(id=run_id).values().get()

    with pytest.raises(SequenceConflict) as caught:
        histories.append(run_id, signals(expected + 1, 2), expected_seq=expected)

    assert (caught.value.expected, caught.value.found) == (expected, found)
    assert f"at seq {expected}, found it at {found}" in str(caught.value)
    assert Run.objects.filter(id=run_id).values().get() == before
    assert [r.seq for r in histories.load_one(run_id)] == [1, 2, 3]


def test_events_that_do_not_follow_each_other_are_refused() -> None:
    run_id = insert_run()
    gap = [*signals(2, 1), *signals(4, 1)]

    with pytest.raises(SequenceConflict) as caught:
        histories.append(run_id, gap, expected_seq=1)

    assert (caught.value.expected, caught.value.found) == (3, 4)
    assert len(histories.load_one(run_id)) == 1


def test_events_that_do_not_follow_the_expected_head_are_refused() -> None:
    run_id = insert_run()

    with pytest.raises(SequenceConflict):
        histories.append(run_id, signals(3, 1), expected_seq=1)

    assert Run.objects.get(id=run_id).head_seq == 1


def test_an_unknown_run_has_no_head_to_append_to() -> None:
    with pytest.raises(SequenceConflict) as caught:
        histories.append(uuid7(), signals(2, 1), expected_seq=1)

    assert caught.value.found == 0
    assert Event.objects.count() == 0


def test_appending_nothing_changes_nothing(django_assert_num_queries: object) -> None:
    run_id = insert_run()

    with django_assert_num_queries(0):  # type: ignore[operator]
        histories.append(run_id, [], expected_seq=99)


def test_an_append_that_fails_half_way_leaves_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = insert_run()

    def insert_and_fail(cursor: object, rows: list[tuple[object, ...]]) -> None:
        insert(cursor, rows)
        raise RuntimeError("the process stops here")

    insert = histories.insert_events
    monkeypatch.setattr(histories, "insert_events", insert_and_fail)
    with pytest.raises(RuntimeError):
        histories.append(run_id, signals(2, 1), expected_seq=1)

    assert (Event.objects.count(), Run.objects.get(id=run_id).head_seq) == (1, 1)


def test_ranges_are_read_in_ascending_order() -> None:
    run_id = insert_run()
    histories.append(run_id, signals(2, 9), expected_seq=1)

    def seqs(**given: int) -> list[int]:
        return [recorded.seq for recorded in histories.load_one(run_id, **given)]

    assert seqs() == list(range(1, 11))
    assert seqs(from_seq=8) == [8, 9, 10]
    assert seqs(from_seq=4, limit=2) == [4, 5]
    assert seqs(from_seq=11) == []
    assert seqs(limit=0) == []


def test_many_histories_are_read_by_one_statement(django_assert_num_queries: object) -> None:
    ids = [insert_run() for _ in range(3)]
    for length, run_id in enumerate(ids, 1):
        histories.append(run_id, signals(2, length), expected_seq=1)

    with django_assert_num_queries(1):  # type: ignore[operator]
        loaded = histories.load([*ids, uuid7()])

    assert {run_id: [r.seq for r in loaded[run_id]] for run_id in ids} == {
        ids[0]: [1, 2],
        ids[1]: [1, 2, 3],
        ids[2]: [1, 2, 3, 4],
    }
    assert len(loaded) == 3


def test_loading_none_asks_nothing(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert dict(histories.load([])) == {}


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        'with "quotes", commas, {braces} and \\ backslashes \\"',
        "NULL",
        "line\nbreak\ttab",
        "nul \0 inside",
        "snow \N{SNOWMAN} and \N{PILE OF POO}",
        "%s and %% and :name",
        "'; DROP TABLE aion_event; --",
    ],
)
def test_any_text_comes_back_as_it_was(text: str) -> None:
    run_id = insert_run()
    data = msgspec.Raw(msgspec.json.encode({"args": [text]}))
    event = SignalReceived(name=text, input=data, request_id=text)

    histories.append(run_id, [Recorded(2, START, event)], expected_seq=1)

    assert histories.load_one(run_id)[1].event == event


def test_times_come_back_aware_and_exact() -> None:
    run_id = insert_run()
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    at = dt.datetime(2026, 3, 1, 17, 30, 0, 123456, tzinfo=zone)

    histories.append(run_id, signals(2, 1, at=at), expected_seq=1)

    found = histories.load_one(run_id)[1].recorded_at
    assert found == at
    assert found.utcoffset() == dt.timedelta(0)


def test_the_first_event_is_there_from_the_beginning() -> None:
    run_id = insert_run("order-1", task_queue="fast")

    [first] = histories.load_one(run_id)

    assert isinstance(first.event, WorkflowStarted)
    assert (first.seq, first.recorded_at) == (1, START)
    assert (first.event.workflow_id, first.event.task_queue) == ("order-1", "fast")

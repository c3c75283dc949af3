"""A batch of turns costs a fixed number of statements, whatever its size and however long the histories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from aion.models import ActivityTask, Run, Timer
from aion.store.dialects import connection
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

MOST = 12
TRANSACTION = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK")


def statements(engine: Engine) -> list[str]:
    """The statements of one batch, without those of its transaction."""
    with CaptureQueriesContext(connection()) as captured:
        engine.turn()
    return [q["sql"] for q in captured if not q["sql"].startswith(TRANSACTION)]


def shape(sql: str) -> list[str]:
    """The first words; on SQLite many rows are one call, logged as "n times: ..."."""
    return sql.rsplit("times: ", maxsplit=1)[-1].split()[:3]


@pytest.fixture
def busy(script: Callable[[Any], Any], acting: Callable[[Any], Any]) -> None:
    """A run that does every usual thing in a turn: activities, timers, cancels of both."""

    @acting
    def nothing() -> None:
        return None

    @script
    async def main(me: kit.Scripted) -> int:
        from aion import workflow

        number = 0
        kept = None
        while True:
            number += 1
            if kept is not None:
                kept.cancel()
            kept = kit.act.start("nothing")
            wanted = number

            def noted(wanted: int = wanted) -> bool:
                return len(me.notes) >= wanted

            try:
                await workflow.wait_condition(noted, timeout=1000 + number)
            except TimeoutError:
                return number


@pytest.fixture
def patient(engine: Engine, settings: Any) -> Engine:
    settings.AION = {**settings.AION, "BATCH_TIME": 60.0}
    return Engine()


@pytest.mark.usefixtures("busy")
def test_many_runs_cost_as_many_statements_as_one(
    patient: Engine, clock: StandingClock, capsys: pytest.CaptureFixture[str]
) -> None:
    def batch(number: int) -> tuple[list[str], list[str]]:
        handles = [patient.start("main") for _ in range(number)]
        first = statements(patient)
        for handle in handles:
            handle.signal("note", 1)
        return first, statements(patient)

    one, hundred = batch(1), batch(100)

    with capsys.disabled():
        print(f" [{len(one[0])} and {len(one[1])} statements]", end="")
    assert ActivityTask.objects.count() == Timer.objects.count() == 101
    for few, many in zip(one, hundred, strict=True):
        assert [shape(sql) for sql in few] == [shape(sql) for sql in many]
        assert len(few) <= MOST


@pytest.mark.usefixtures("busy")
def test_a_long_history_costs_as_many_statements_as_a_short_one(patient: Engine) -> None:
    handle = patient.start("main")

    def one_more() -> list[str]:
        handle.signal("note", 1)
        return statements(patient)

    def until(events: int) -> None:
        while Run.objects.get().head_seq < events:
            one_more()

    until(10)
    short = one_more()
    until(300)
    long = one_more()
    patient.loop.turns.cache.clear()
    replayed = one_more()

    assert len(short) == len(long) <= MOST
    assert len(replayed) == len(short) + 1  # the history


def test_a_batch_without_work_is_one_statement(engine: Engine) -> None:
    assert len(statements(engine)) == 1


def test_search_attributes_cost_three_statements_whatever_their_number(
    patient: Engine, script: Callable[[Any], Any]
) -> None:
    from aion import workflow

    @script
    async def main(me: kit.Scripted, values: dict[str, Any] | None = None) -> None:
        while True:
            await workflow.wait_condition(lambda: me.notes)
            if values := me.notes.pop():
                workflow.upsert_search_attributes(values)

    handles = [patient.start("main") for _ in range(50)]
    statements(patient)

    def batch(number: int, values: dict[str, Any]) -> list[str]:
        for handle in handles[:number]:
            handle.signal("note", values)
        return statements(patient)

    without = batch(50, {})
    one = batch(1, {"n": 1})
    many = batch(50, {"n": 1, "color": "red", "tags": ["a", "b", "c"]})

    assert len(one) == len(many) == len(without) + 3

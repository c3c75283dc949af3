"""Turns through the pipeline of a tuned session: two round trips, and a transaction like any other."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import DataError, IntegrityError, InternalError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from aion import client
from aion.authoring.context import current_workflow
from aion.core.errors import ForbiddenInWorkflow
from aion.models import Run, Worker
from aion.store import claims, dialects, sessions
from tests.support import kit
from tests.support.clocks import START
from tests.support.engine import Engine
from tests.support.rows import insert_run
from tests.support.tuning import tuned_session

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

INSERT = (
    "INSERT INTO aion_worker (id, name, host, pid, queues, version, started_at, last_seen_at) "
    "VALUES (%s, 'test', %s, 1, '[]', '', now(), now())"
)


@pytest.fixture
def tuned() -> Iterator[BaseDatabaseWrapper]:
    with tuned_session() as own:
        yield own


def hosts() -> list[str]:
    return sorted(Worker.objects.values_list("host", flat=True))


def insert(host: str, key: uuid.UUID | None = None) -> None:
    with dialects.cursor() as cursor:
        cursor.execute(INSERT, [key or uuid.uuid4(), host])


@pytest.mark.usefixtures("tuned")
def test_what_a_block_writes_is_committed_with_it() -> None:
    with sessions.transaction():
        assert dialects.is_pipelined()
        insert("one")
        insert("two")
        with dialects.cursor() as cursor:
            cursor.execute("SELECT host FROM aion_worker WHERE host > %s ORDER BY host", ["one"])
            assert cursor.fetchone() == ("two",)

    assert not dialects.is_pipelined()
    assert hosts() == ["one", "two"]


@pytest.mark.usefixtures("tuned")
def test_what_waits_for_the_commit_runs_behind_it() -> None:
    found: list[bool] = []
    with sessions.transaction():
        insert("one")
        transaction.on_commit(
            lambda: found.append(dialects.connection().connection.info.transaction_status == 0)
        )
        assert found == []

    assert found == [True]


@pytest.mark.usefixtures("tuned")
def test_a_statement_that_fails_undoes_the_block_and_says_why() -> None:
    key = uuid.uuid4()
    with pytest.raises(IntegrityError, match="duplicate key"), sessions.transaction():
        insert("one", key)
        insert("two", key)
        insert("three")

    assert hosts() == []
    with sessions.transaction():
        insert("later")
    assert hosts() == ["later"]


@pytest.mark.usefixtures("tuned")
def test_an_error_shows_at_the_next_answer_and_cannot_be_passed_over() -> None:
    with pytest.raises(InternalError, match="earlier statement"), sessions.transaction():
        key = uuid.uuid4()
        insert("one", key)
        insert("two", key)
        with dialects.cursor() as cursor:
            cursor.execute("SELECT 1")
            with pytest.raises(psycopg.errors.UniqueViolation):
                cursor.fetchone()
        insert("three")

    assert hosts() == []


@pytest.mark.usefixtures("tuned")
def test_an_exception_of_the_block_undoes_it() -> None:
    with pytest.raises(ValueError, match="mine"), sessions.transaction():
        insert("one")
        raise ValueError("mine")

    assert hosts() == []


@pytest.mark.usefixtures("tuned")
def test_djangos_own_statements_and_savepoints_fit_in() -> None:
    with sessions.transaction():
        insert("one")
        assert Worker.objects.count() == 1
        with pytest.raises(RuntimeError), transaction.atomic():
            insert("undone")
            raise RuntimeError
        insert("two")

    assert hosts() == ["one", "two"]


def test_a_session_that_breaks_costs_its_transaction_only(tuned: BaseDatabaseWrapper) -> None:
    with pytest.raises(OperationalError), sessions.transaction():
        insert("lost")
        _end_session(tuned)
        insert("lost too")
    tuned.close()

    with sessions.transaction():
        assert dialects.is_pipelined()
        insert("kept")
    assert hosts() == ["kept"]


def _end_session(tuned: BaseDatabaseWrapper) -> None:
    raw: Any = tuned.connection
    with psycopg.connect(
        **tuned.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [raw.info.backend_pid])


@pytest.mark.usefixtures("tuned")
def test_large_values_pass_in_both_directions_at_once() -> None:
    large = "x" * 2_000_000
    with sessions.transaction():
        asked = []
        for _ in range(8):
            cursor = dialects.cursor()
            cursor.execute("SELECT %s::text", [large])
            asked.append(cursor)
        assert all(cursor.fetchall() == [(large,)] for cursor in asked)


@pytest.mark.usefixtures("tuned")
def test_a_text_with_a_nul_is_refused_and_not_cut_off() -> None:
    with pytest.raises(DataError, match="NUL"), sessions.transaction():
        insert("one\0two")

    assert hosts() == []


@pytest.mark.usefixtures("tuned")
def test_workflow_code_does_not_reach_it() -> None:
    with sessions.transaction():
        token = current_workflow.set(object())  # type: ignore[arg-type]
        try:
            with pytest.raises(ForbiddenInWorkflow):
                dialects.cursor()
        finally:
            current_workflow.reset(token)


@pytest.mark.usefixtures("tuned")
def test_within_a_callers_transaction_it_is_a_savepoint_as_always() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        with sessions.transaction():
            assert not dialects.is_pipelined()
            insert("undone")
        raise RuntimeError

    assert hosts() == []


@pytest.mark.usefixtures("tuned")
@pytest.mark.parametrize("expecting", [True, False])
def test_a_claim_reads_the_same_however_it_asks(expecting: bool) -> None:
    run_ids = {insert_run() for _ in range(3)}
    with sessions.transaction():
        claimed = claims.claim(
            worker_id=uuid.uuid4(), now=START, limit=2, own=list(run_ids), expecting=expecting
        )

    assert {one.run.id for one in claimed} == run_ids
    assert [len(one.messages) for one in claimed] == [1, 1, 1]


@pytest.mark.usefixtures("tuned")
def test_a_whole_life_of_runs(
    engine: Engine, script: Callable[[Any], Any], acting: Callable[[Any], Any]
) -> None:
    """Everything a turn writes, by the statements of the pipeline."""
    from aion import workflow

    @acting
    def double(number: int) -> int:
        return 2 * number

    @script
    async def child(me: kit.Scripted) -> int:
        return await kit.act.execute_local("double", 1)

    @script
    async def main(me: kit.Scripted) -> list[int]:
        await workflow.wait_condition(lambda: len(me.notes) == 2, timeout=1000)
        workflow.upsert_memo({"seen": 2})
        start = workflow.start_child_workflow
        children = [await start(kit.Scripted, "child") for _ in range(3)]
        remote = await kit.act.execute("double", 21)
        return [remote, *[await one for one in children]]

    handle = engine.start("main")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()
    handle.signal("note", 2)
    engine.go()

    assert handle.result(0) == [42, 2, 2, 2]
    assert set(Run.objects.values_list("status", flat=True)) == {"completed"}


# --- a statement of its own -----------------------------------------------------------------------


def ask(number: int) -> list[tuple[Any, ...]]:
    return sessions.at_once("SELECT %s::integer + 1", [number])


def prepared() -> int:
    with dialects.connection().cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        return int(cursor.fetchone()[0])


@pytest.fixture
def plain() -> Iterator[BaseDatabaseWrapper]:
    """A caller's session, which nobody has tuned."""
    own = dialects.connection()
    own.close()
    yield own
    own.close()


@pytest.mark.usefixtures("plain")
def test_a_callers_statement_leaves_its_session_as_it_was() -> None:
    assert [ask(1), ask(2)] == [[(2,)], [(3,)]]

    assert prepared() == 0
    with dialects.connection().cursor() as cursor:
        cursor.execute("SHOW enable_seqscan")
        assert cursor.fetchone() == ("on",)


@pytest.mark.usefixtures("plain")
def test_a_start_is_prepared_once() -> None:
    for _ in range(3):
        client.start_workflow(kit.greet, "you")

    assert prepared() == 1
    assert Run.objects.count() == 3


def forget_in_server(own: BaseDatabaseWrapper) -> None:
    with own.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")


def forget_here(own: BaseDatabaseWrapper) -> None:
    vars(own).pop("aion_kept_pipeline")


@pytest.mark.parametrize("forget", [forget_in_server, forget_here])
def test_behind_a_pooler_that_swaps_sessions_a_start_is_not_prepared(
    plain: BaseDatabaseWrapper, forget: Callable[[BaseDatabaseWrapper], None]
) -> None:
    client.start_workflow(kit.greet, "you", id="before")
    forget(plain)

    for number in range(3):
        client.start_workflow(kit.greet, "you", id=f"behind-{number}")

    found = set(Run.objects.values_list("workflow_id", flat=True))
    assert found == {"before", "behind-0", "behind-1", "behind-2"}


def test_in_a_transaction_it_is_part_of_that(plain: BaseDatabaseWrapper) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        sessions.at_once(f"{INSERT} RETURNING 1", [uuid.uuid4(), "one"])
        assert plain.in_atomic_block
        raise ZeroDivisionError
    assert hosts() == []


def test_a_session_of_a_loop_has_one_pipeline(tuned: BaseDatabaseWrapper) -> None:
    with sessions.transaction(), dialects.cursor() as cursor:
        cursor.execute("SELECT %s::integer + 1", [1])
        assert cursor.fetchall() == [(2,)]
    before = prepared()
    assert ask(2) == [(3,)]

    assert prepared() == before
    assert getattr(tuned, dialects.PIPELINE).is_at_rest


@pytest.mark.usefixtures("plain")
def test_a_plan_that_was_made_for_an_empty_table_is_not_kept() -> None:
    """A queue that was empty for long, and gets 20,000 rows before anybody analyses it."""
    query = "SELECT count(*) FROM aion_worker WHERE id = %s"
    for _ in range(10):
        sessions.at_once(query, [uuid.uuid4()])
    rows = "SELECT gen_random_uuid(), 'test', 'h', 1, '[]', '', now(), now() FROM generate_series(1, 20000)"
    with dialects.connection().cursor() as cursor:
        cursor.execute(f"{INSERT.partition('VALUES')[0]} {rows}")

    plan = sessions.at_once(f"EXPLAIN {query}", [uuid.uuid4()])

    assert "Index" in str(plan)


@pytest.mark.usefixtures("plain")
def test_an_error_is_djangos_and_the_session_goes_on() -> None:
    with pytest.raises(DataError):
        sessions.at_once("SELECT 1 / %s::integer", [0])

    assert ask(1) == [(2,)]


def test_a_session_that_was_ended_is_replaced_after_its_error(plain: BaseDatabaseWrapper) -> None:
    ask(1)
    raw: Any = plain.connection
    with psycopg.connect(raw.info.dsn, password=raw.info.password, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [raw.info.backend_pid])

    with pytest.raises(OperationalError):
        ask(1)
    plain.close()
    assert ask(1) == [(2,)]

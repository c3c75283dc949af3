"""The simulated database keeps what a transaction has written while others are there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.database import Database, Transaction
from tests.simulation.statements import statement


@pytest.fixture
def database() -> Database:
    database = Database()
    database.raw.execute(
        "CREATE TABLE ask (run text, name text, state text, PRIMARY KEY (run, name))"
    )
    database.raw.execute("CREATE TABLE note (id integer PRIMARY KEY AUTOINCREMENT)")
    database.watch()
    return database


def _run(database: Database, one: Transaction, sql: str, *parameters: Any) -> list[Any]:
    return database.run(one, statement(sql, True), parameters)[0]


def _ask(database: Database, *row: str) -> Transaction:
    one = Transaction()
    _run(database, one, "INSERT INTO ask VALUES (%s, %s, %s)", *row)
    return one


def test_a_row_whose_key_changes_is_at_its_new_place_when_others_wrote_meanwhile(
    database: Database,
) -> None:
    database.commit(_ask(database, "old", "a", "admitted"))

    mover = Transaction()
    _run(database, mover, "UPDATE ask SET run = %s WHERE run = %s", "new", "old")
    other = _ask(database, "other", "b", "admitted")  # whose writes are in the place of the first's
    _run(database, mover, "UPDATE ask SET state = %s WHERE run = %s", "accepted", "new")
    database.commit(other)
    database.commit(mover)

    assert sorted(database.look("SELECT * FROM ask")) == [
        ("new", "a", "accepted"),
        ("other", "b", "admitted"),
    ]


def test_a_row_that_one_transaction_makes_and_moves_is_there_once(database: Database) -> None:
    mover = _ask(database, "old", "a", "admitted")
    _run(database, mover, "UPDATE ask SET run = %s WHERE run = %s", "new", "old")
    other = _ask(database, "other", "b", "admitted")
    database.commit(other)
    database.commit(mover)

    assert sorted(database.look("SELECT run, name FROM ask")) == [("new", "a"), ("other", "b")]


def test_a_row_that_moves_back_is_where_it_was(database: Database) -> None:
    database.commit(_ask(database, "old", "a", "admitted"))

    mover = Transaction()
    for to, before in (("new", "old"), ("old", "new")):
        _run(database, mover, "UPDATE ask SET run = %s WHERE run = %s", to, before)
    database.commit(_ask(database, "other", "b", "admitted"))
    database.commit(mover)

    assert sorted(database.look("SELECT run, name FROM ask")) == [("old", "a"), ("other", "b")]

"""Sessions of the simulated database: what Django's ORM and the store's cursors talk to."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from typing import Any

import django.db
from django.db import connections
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.backends.sqlite3.features import DatabaseFeatures

from aion.store import dialects
from tests.simulation.database import Database, Killed, Transaction
from tests.simulation.statements import Statement, statement


class SimulatedDialect(dialects.SQLite):
    """SQLite's language with PostgreSQL's locks, which the simulated database reads from the text."""

    lock = dialects.PostgreSQL.lock
    lock_wait = dialects.PostgreSQL.lock_wait
    lock_rows = dialects.PostgreSQL.lock_rows
    lock_free_rows = dialects.PostgreSQL.lock_free_rows
    share_rows = dialects.PostgreSQL.share_rows


class Session:
    """One connection. `before` is called ahead of every statement and commit: it may switch or raise."""

    isolation_level: str | None = None

    def __init__(self, database: Database, before: Callable[[Session, str], None]) -> None:
        self.database = database
        self._before = before
        self.transaction: Transaction | None = None
        self.is_killed = False
        self.is_broken = False

    def check(self) -> None:
        """Raise what a statement meets on a session that is no more."""
        if self.is_killed:
            raise Killed
        if self.is_broken:
            raise sqlite3.OperationalError("the session was terminated")

    def execute(self, what: Statement, parameters: Any, *, many: bool = False) -> tuple[Any, int]:
        self._before(self, what.kind)
        self.check()
        one = self.transaction
        match what.kind:
            case "begin":
                self.transaction = Transaction()
            case "savepoint":
                self.database.savepoint(self._open(), what.name)
            case "release":
                self.database.release(self._open(), what.name)
            case "rollback":
                self.database.rollback_to(self._open(), what.name)
            case "rollback all":
                self.rollback()
            case _:
                if one is not None:
                    return self.database.run(one, what, parameters, many=many)
                return self._alone(what, parameters, many=many)
        return [], -1

    def _open(self) -> Transaction:
        assert self.transaction is not None
        return self.transaction

    def _alone(self, what: Statement, parameters: Any, *, many: bool) -> tuple[Any, int]:
        """A statement outside of a transaction is one of its own."""
        self.transaction = Transaction()
        try:
            found = self.database.run(self.transaction, what, parameters, many=many)
        except BaseException:
            self.rollback()
            raise
        self.commit()
        return found

    def commit(self) -> None:
        if self.transaction is None:
            return
        if self.transaction.changes:
            self._before(self, "commit")
        self.check()
        self._committed()
        self._before(self, "committed")
        self.check()

    def _committed(self) -> None:
        assert self.transaction is not None
        self.database.commit(self.transaction)
        self.transaction = None

    def rollback(self) -> None:
        if self.transaction is not None:
            self.database.rollback(self.transaction)
            self.transaction = None
        self.check()

    def close(self) -> None:
        """End the session as the server would see it."""
        if self.transaction is not None:
            self.database.rollback(self.transaction)
            self.transaction = None

    def lose(self, *, killed: bool = False) -> None:
        """The session ends without its client's doing."""
        self.is_broken = True
        self.is_killed = self.is_killed or killed
        self.close()

    def cursor(self, *_: Any, **__: Any) -> SimulatedCursor:
        return SimulatedCursor(self)


class _AsDjangoRaises:
    """Gives errors of the database the classes that Django gives them."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, sqlite3.Error):
            raise getattr(django.db, kind.__name__)(*error.args) from error


as_django_raises = _AsDjangoRaises()


class SimulatedCursor:
    """What Django asks of a cursor."""

    description: Any = None
    lastrowid = None

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rows: list[Any] = []
        self._at = 0
        self.rowcount = -1

    def execute(self, sql: str, parameters: Any = None) -> SimulatedCursor:
        what = statement(sql, parameters is not None)
        with as_django_raises:
            self._rows, self.rowcount = self._session.execute(what, parameters or ())
        self._at = 0
        return self

    def executemany(self, sql: str, parameters: Any) -> SimulatedCursor:
        what = statement(sql, True)
        with as_django_raises:
            _, self.rowcount = self._session.execute(what, list(parameters), many=True)
        return self

    def fetchone(self) -> Any:
        self._at += 1
        return self._rows[self._at - 1] if self._at <= len(self._rows) else None

    def fetchmany(self, size: int = 1) -> list[Any]:
        self._at += size
        return self._rows[self._at - size : self._at]

    def fetchall(self) -> list[Any]:
        at, self._at = self._at, len(self._rows)
        return self._rows[at:]

    def __enter__(self) -> SimulatedCursor:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Any:
        return iter(self.fetchall())

    def close(self) -> None:
        self._rows = []


@functools.cache
def _settings() -> dict[str, Any]:
    return {
        **connections.settings["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "OPTIONS": {},
    }


class SimulatedFeatures(DatabaseFeatures):
    """What lets the ORM say which rows it locks."""

    has_select_for_update = True
    has_select_for_update_skip_locked = True
    has_select_for_no_key_update = True


class SimulatedDatabaseWrapper(DatabaseWrapper):
    """Django's connection of one actor. It connects anew when it was closed."""

    features_class = SimulatedFeatures

    def __init__(self, database: Database, before: Callable[[Session, str], None]) -> None:
        super().__init__(_settings(), "default")
        self._database = database
        self._before = before
        self.is_lost = False

    def ensure_connection(self) -> None:  # not the test framework's to forbid
        if self.connection is None:
            with self.wrap_database_errors:
                self.connect()

    def get_new_connection(self, conn_params: Any) -> Any:
        session = Session(self._database, self._before)
        session.is_killed = self.is_lost
        return session

    def cursor(self) -> Any:
        """Leave out Django's wrappers, which cost more here than the statements."""
        if self.connection is None:
            self.ensure_connection()
        return self.connection.cursor()

    # Django's own ways through these ask who the caller is, and whether a log wants to hear of it.

    def commit(self) -> None:
        self.validate_no_atomic_block()
        self._commit()
        self.errors_occurred = False
        self.run_commit_hooks_on_set_autocommit_on = True

    def _commit(self) -> None:
        if self.connection is not None:
            with as_django_raises:
                self.connection.commit()

    def _rollback(self) -> None:
        if self.connection is not None:
            with as_django_raises:
                self.connection.rollback()

    def get_autocommit(self) -> bool:
        if self.connection is None:
            self.ensure_connection()
        return self.autocommit  # type: ignore[no-any-return]

    def is_in_memory_db(self) -> bool:
        return False

    def is_usable(self) -> bool:
        return self.connection is not None and not self.connection.is_broken

    def die(self) -> None:
        """The process of this session is no more."""
        self.is_lost = True
        if self.connection is not None:
            self.connection.lose(killed=True)

"""A turn's transaction as two round trips: statements over libpq, without the layers in between.

Theory of operation
-------------------
A turn runs a handful of small statements. Through Django and the driver's cursors the processor spends more
time on each of them than the server does. So the loop's session has a `Pipeline`: within its `transaction`
every statement is prepared once, then sent by name with its parameters as text, and nothing waits for an
answer until somebody asks for rows. What nobody asks about is answered for at the end, together with COMMIT:

    BEGIN, claim, messages, timers  ->  rows        one round trip
    events, runs, deletes, COMMIT   ->  done        another

The connection is Django's own, and Django's `atomic` stands around all of it. It finds the transaction
committed when it comes to its own COMMIT, which the driver then leaves out; when something failed, its
ROLLBACK is the one that counts. A statement that comes through Django's cursor meanwhile (a savepoint, the
ORM) is let through: an execute wrapper first brings the pipeline to rest.

* *A statement fails*: the server skips the rest up to the next synchronisation. The error is raised where the
  next answer is asked for, at the latest at the end, and no later statement counts, COMMIT included.
* *The connection breaks*: the same, and the session is of no use any more; whoever runs the loop replaces it.
* *The answer to COMMIT is lost*: the turn may or may not have happened. Its instances are dropped like those
  of any failed batch, and the next claim reads what is true.

Parameters are text, and types are the server's to infer; rows are read by the driver's own loaders.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, Final

import psycopg
from psycopg import errors, pq
from psycopg.adapt import Transformer

from aion.store.literals import parameter

_MOST_PREPARED: Final = 500
_GOOD: Final = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)
_SYNC: Final = pq.ExecStatus.PIPELINE_SYNC
_ABORTED: Final = pq.ExecStatus.PIPELINE_ABORTED


class Cursor:
    """One statement after another, with the few methods of a cursor that the store uses."""

    __slots__ = ("_pipeline", "_result")

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._result: list[Any] = []

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to close."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Send a statement. Its error surfaces when an answer is asked for, or at the end."""
        self._result = self._pipeline.send(sql, parameters)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Wait for the statement and give its rows."""
        return self._pipeline.rows(self._result)

    def fetchone(self) -> tuple[Any, ...] | None:
        """Wait for the statement and give its first row."""
        rows = self._pipeline.rows(self._result)
        return rows[0] if rows else None

    @property
    def rowcount(self) -> int:
        """Wait for the statement and tell how many rows it touched."""
        return self._pipeline.answer(self._result).command_tuples or 0


class Pipeline:
    """The pipeline of one PostgreSQL session. It lives and dies with the driver's connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._session: Any = connection.pgconn
        self._poll = select.poll()
        self._poll.register(self._session.socket, select.POLLIN)
        self._names: dict[str, bytes] = {}
        self._keeps_prepared = True
        self._transformer = Transformer(connection)
        # What is under way, in order: where its result goes, None for a synchronisation; what it prepares.
        self._sent: deque[tuple[list[Any] | None, str]] = deque()
        self._unasked = False  # whether anything was sent behind the last request for answers
        self.is_open = False  # whether a transaction of the pipeline is under way

    # --- a transaction ---

    @property
    def is_at_rest(self) -> bool:
        """Whether a transaction can begin: none is under way, the caller's neither."""
        idle = pq.TransactionStatus.IDLE
        return not self.is_open and self._session.transaction_status == idle

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a block in a transaction, committed when this ends. Django's `atomic` must be around it.

        Raises:
            psycopg.Error: a statement or the COMMIT failed.
        """
        self.is_open = True
        try:
            self.send(_begin(self._connection))
            yield
            self.send("COMMIT")
            self.rest()
        finally:
            self.is_open = False
            self._abandon()

    def run(self, sql: str, parameters: Sequence[Any], *, prepare: bool) -> list[tuple[Any, ...]]:
        """Run one statement in a transaction of its own, in one round trip, and give its rows.

        If it is not prepared, it is parsed, and planned for these parameters, each time. Where a pooler
        hands the session's place to others, what was prepared is unknown, or known already; then nothing of
        the statement has happened, and from now on it is not prepared.

        Raises:
            psycopg.Error: it failed.
        """
        if prepare and self._keeps_prepared:
            try:
                return self._run(sql, parameters, prepare=True)
            except (errors.InvalidSqlStatementName, errors.DuplicatePreparedStatement):
                self._keeps_prepared = False
        return self._run(sql, parameters, prepare=False)

    def _run(self, sql: str, parameters: Sequence[Any], *, prepare: bool) -> list[tuple[Any, ...]]:
        result = self.send(sql, parameters, prepare=prepare)
        self.rest()
        return self.rows(result)

    def belongs_to(self, connection: Any) -> bool:
        """Tell whether this is the pipeline of a driver's connection, and not of one before it."""
        return self._connection is connection

    def rest(self) -> None:
        """Wait for everything that is under way, and leave the session as the driver knows it.

        Raises:
            psycopg.Error: a statement failed.
        """
        if not self._session.pipeline_status:
            return
        self._session.pipeline_sync()
        self._sent.append((None, ""))
        try:
            self._receive(lambda: bool(self._sent))
        except BaseException:
            self._abandon()
            raise
        self._session.exit_pipeline_mode()

    def _abandon(self) -> None:
        """Read what is left after an error. A session that cannot be brought to rest is closed."""
        if not self._session.pipeline_status:
            return
        try:
            if not self._sent or self._sent[-1][0] is not None:
                self._session.pipeline_sync()
                self._sent.append((None, ""))
            self._read_out()
            self._session.exit_pipeline_mode()
        except psycopg.Error:
            self._connection.close()
        finally:
            self._sent.clear()

    def _read_out(self) -> None:
        while self._sent:
            try:
                self._receive(lambda: bool(self._sent))
            except psycopg.Error:  # the first of them has been raised already
                if self._session.status == pq.ConnStatus.BAD:
                    raise

    # --- statements ---

    def cursor(self) -> Cursor:
        """Give a cursor; there may be several at once."""
        return Cursor(self)

    def send(self, sql: str, parameters: Sequence[Any] = (), *, prepare: bool = True) -> list[Any]:
        """Send a statement, with `%s` for its parameters; gives what `rows` and `answer` want."""
        session = self._session
        if not session.pipeline_status:
            session.enter_pipeline_mode()
        values = [parameter(value) for value in parameters]
        result: list[Any] = []
        name = self._names.get(sql) if prepare else None
        if not prepare or (name is None and len(self._names) >= _MOST_PREPARED):
            session.send_query_params(_numbered(sql), values)
        else:
            if name is None:
                name = self._names[sql] = _name_of(sql)
                session.send_prepare(name, _numbered(sql))
                self._sent.append(([], sql))
            session.send_query_prepared(name, values)
        self._sent.append((result, ""))
        self._unasked = True
        return result

    def rows(self, result: list[Any]) -> list[tuple[Any, ...]]:
        """Wait for a statement and give its rows.

        Raises:
            psycopg.Error: it or one before it failed.
        """
        answer = self.answer(result)
        if not answer.ntuples:
            return []
        self._transformer.set_pgresult(answer)
        return self._transformer.load_rows(0, answer.ntuples, tuple)

    def answer(self, result: list[Any]) -> Any:
        """Wait for a statement and give the driver's result.

        Raises:
            psycopg.Error: it or one before it failed.
        """
        if not result:
            self._ask_for_answers()
            self._receive(lambda: not result)
        return result[0]

    def ask(self) -> None:
        """Let the server answer everything that was sent, and do not wait for it.

        Raises:
            psycopg.Error: the connection is broken.
        """
        self._ask_for_answers()
        self._flush()

    def _ask_for_answers(self) -> None:
        if self._unasked:  # one request is for everything that was sent before it
            self._session.send_flush_request()
            self._unasked = False

    # --- the wire ---

    def _receive(self, wanting: Any) -> None:
        """Read answers, in order, while they are wanted; raise the first error among them."""
        session = self._session
        self._flush()
        while wanting():
            while session.is_busy():
                self._poll.poll()
                session.consume_input()
            answer = session.get_result()
            if answer is None:
                continue  # what follows each answer but that of a synchronisation
            result, prepares = self._sent.popleft()
            if answer.status in _GOOD and result is not None:
                result.append(answer)
            elif answer.status != _SYNC:
                if prepares:
                    self._names.pop(prepares, None)
                self._raise(answer)

    def _raise(self, answer: Any) -> None:
        if answer.status == _ABORTED:
            raise errors.InFailedSqlTransaction("An earlier statement of this batch failed")
        raise errors.error_from_result(answer, encoding="utf-8")

    def _flush(self) -> None:
        session = self._session
        while session.flush():
            self._poll.modify(session.socket, select.POLLIN | select.POLLOUT)
            for _, event in self._poll.poll():
                if event & select.POLLIN:
                    session.consume_input()
            self._poll.modify(session.socket, select.POLLIN)


def _begin(connection: psycopg.Connection[Any]) -> str:
    level = connection.isolation_level
    return "BEGIN" if level is None else f"BEGIN ISOLATION LEVEL {level.name.replace('_', ' ')}"


def _name_of(sql: str) -> bytes:
    """Give the name of a prepared statement, which no other text has."""
    return b"aion_" + blake2b(sql.encode(), digest_size=12).hexdigest().encode()


def _numbered(sql: str) -> bytes:
    """Write `%s` as PostgreSQL's numbered parameters."""
    first, *others = sql.split("%s")
    parts = [first, *(f"${number}{part}" for number, part in enumerate(others, 1))]
    return "".join(parts).replace("%%", "%").encode()

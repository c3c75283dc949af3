"""A database for many simulated sessions in one process: real SQL, READ COMMITTED, row locks.

Theory of operation
-------------------
All sessions share one SQLite database in memory, which holds what is committed. At most one open transaction
is *mounted* at a time: what it has written so far is there, inside of an SQLite transaction. When another
session runs a statement, the mounted one is rolled back and the other's writes are put in its place, row by
row. So each statement sees what was committed when it began and what its own transaction wrote: that is READ
COMMITTED.

Triggers report every row that a statement writes. It is locked for the transaction, and so are the unique
keys that it takes. A statement that meets another's lock is undone and waits for the end of that transaction,
then runs anew, as PostgreSQL evaluates its conditions anew. `FOR NO KEY UPDATE`, `FOR SHARE` and `SKIP
LOCKED`
are read from the statement's text. The claim has two moments, as it has there: the snapshot that finds
candidates, and the locking, which looks at the locked row again but not at what it was joined with.

Ids of a sequence are taken for good, like those of PostgreSQL: a later id may be visible earlier.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from tests.simulation.statements import Statement

Key = tuple[Any, ...]


class Killed(KeyboardInterrupt):
    """Unwinds what a process did when it was killed. Whatever handles it reaches nobody any more."""


class Transaction:
    """What one session has written, and not committed."""

    def __init__(self) -> None:
        self.changes: dict[Key, tuple[bool, Sequence[Any] | None]] = {}  # new here?, the row now
        self.locks: set[Key] = set()
        self.savepoints: list[tuple[str, dict[Key, Any], set[Key]]] = []
        self.waits_for: Transaction | None = None
        self.over = False


class Table:
    """A table's columns, and the unique keys that a row takes."""

    def __init__(self, name: str, columns: list[str], key: list[str], numbered: bool) -> None:
        self.name = name
        self.columns = columns
        self.key = [columns.index(one) for one in key]
        self.numbered = numbered  # its key is a sequence's
        marks = ", ".join("?" * len(columns))
        names = ", ".join(f'"{one}"' for one in columns)
        where = " AND ".join(f'"{one}" = ?' for one in key)
        self.insert = f"INSERT INTO {name} ({names}) VALUES ({marks})"
        self.delete = f"DELETE FROM {name} WHERE {where}"
        changes = ", ".join(f'"{one}" = ?' for one in columns)
        self.update = f"UPDATE {name} SET {changes} WHERE {where}"

    def key_of(self, row: Sequence[Any]) -> Key:
        return (self.name, *(row[place] for place in self.key))

    def unique_keys(self, row: Sequence[Any]) -> list[Key]:
        at = self.columns.index
        match self.name:
            case "aion_run":
                keys: list[Key] = []
                if row[at("closed_at")] is None:
                    keys.append(("open", row[at("workflow_id")]))
                if row[at("continued_from_run_id")] is not None:
                    keys.append(("next", row[at("continued_from_run_id")]))
                return keys
            case "aion_timer":
                return [("timer", row[at("run_id")], row[at("timer_id")])]
            case "aion_activitytask":
                return [("activity", row[at("run_id")], row[at("activity_id")])]
            case "aion_schedule":
                return [("schedule", row[at("schedule_id")])]
            case "aion_firing":
                return [
                    ("firing", *(row[at(name)] for name in ("schedule_id", "nominal_at", "key")))
                ]
            case "aion_scheduleevent":
                return [("asked", row[at("schedule_id")], row[at("request_id")] or row[at("seq")])]
        return []


class Database:
    """The shared database. `wait` blocks the calling session until a transaction is over."""

    def __init__(self) -> None:
        # The usual cache of 128 prepared statements is too small for those of the store.
        self.raw = sqlite3.connect(":memory:", isolation_level=None, cached_statements=5_000)
        self.tables: dict[str, Table] = {}
        self.wait: Callable[[Transaction], None] = _nobody_waits
        self.snapshot_taken: Callable[[], None] = lambda: None
        self.committed: Callable[[Transaction], None] = lambda one: None
        self.deadlocks = 0
        self.commits = 0  # of transactions that have written something
        self._mounted: Transaction | None = None
        self._writer: Transaction | None = None
        self._locked: dict[Key, Transaction] = {}
        self._touched: list[tuple[Table, str, Sequence[Any]]] = []
        self._silent = False
        self._numbers: dict[str, int] = {}

    # --- the schema ---

    def watch(self) -> None:
        """Look at the tables that there are, and hear of what is written into them."""
        self.raw.create_function("touch", -1, self._touch)
        self.raw.create_function("is_free", 2, self._is_free)
        found = self.raw.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for name, sql in found:
            info = self.raw.execute(f"PRAGMA table_info({name})").fetchall()
            key = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
            numbered = "AUTOINCREMENT" in sql
            self.tables[name] = Table(name, [row[1] for row in info], key, numbered)
            moves = " OR ".join(f'NEW."{one}" IS NOT OLD."{one}"' for one in key)
            self._hear(name, info, "INSERT", told=["INSERT"])
            self._hear(name, info, "DELETE", told=["DELETE"])
            self._hear(name, info, "UPDATE", told=["UPDATE"], when=f"NOT ({moves})")
            self._hear(name, info, "UPDATE", told=["DELETE", "INSERT"], when=moves)
        self.empty()

    def _hear(
        self, name: str, columns: list[Any], verb: str, *, told: list[str], when: str = "TRUE"
    ) -> None:
        """Hear of rows that a verb touches. One whose key it changes goes, and comes as another."""
        steps = []
        for each in told:
            side = "OLD" if each == "DELETE" else "NEW"
            row = ", ".join(f'{side}."{column[1]}"' for column in columns)
            steps.append(f"SELECT touch('{name}', '{each}', {row});")
        self.raw.execute(
            f"CREATE TEMP TRIGGER hear_{name}_{'_'.join([verb, *told])} AFTER {verb} ON {name} "
            f"WHEN {when} BEGIN {' '.join(steps)} END"
        )

    def empty(self) -> None:
        """Begin anew, with nothing in the tables and no session."""
        self._unmount()
        self._locked.clear()
        self._silent = True
        for name, table in self.tables.items():
            self.raw.execute(f"DELETE FROM {name}")
            if table.numbered:
                self._numbers[name] = 0
        self.raw.execute("DELETE FROM sqlite_sequence")
        self.raw.executemany(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?, 0)",
            [(name,) for name in self._numbers],
        )
        self._silent = False
        self.deadlocks = 0

    def look(self, sql: str) -> list[Any]:
        """Give rows of what is committed."""
        self._unmount()
        return self.raw.execute(sql).fetchall()

    def _touch(self, name: str, verb: str, *row: Any) -> None:
        if not self._silent:
            self._touched.append((self.tables[name], verb, row))

    # --- which transaction is there ---

    def _mount(self, one: Transaction, *, writes: bool = False) -> None:
        if self._mounted is one:
            return
        self._unmount()
        if not writes and not one.changes:
            return
        self.raw.execute("BEGIN")
        self._mounted = one
        self._silent = True
        for key, (is_new, row) in one.changes.items():
            table = self.tables[key[0]]
            if row is None:
                if not is_new:
                    self.raw.execute(table.delete, key[1:])
            elif is_new:
                self.raw.execute(table.insert, row)
            else:
                self.raw.execute(table.update, [*row, *key[1:]])
        self._silent = False

    def _unmount(self) -> None:
        if self._mounted is None:
            return
        self._mounted = None
        self.raw.execute("ROLLBACK")
        self._restore_numbers()

    def _restore_numbers(self) -> None:
        """A sequence does not go back when a transaction does."""
        self.raw.executemany(
            "UPDATE sqlite_sequence SET seq = ? WHERE name = ? AND seq < ?",
            [(number, name, number) for name, number in self._numbers.items() if number],
        )

    # --- statements ---

    def run(
        self, one: Transaction, what: Statement, parameters: Any, *, many: bool = False
    ) -> tuple[list[Any], int]:
        """Run a statement for a transaction; gives rows and row count. May wait for others."""
        match what.kind:
            case "write":
                return self._write(one, what, parameters, many=many)
            case "lock":
                return self._lock(one, what, parameters)
            case "claim":
                return self._claim(one, what, parameters)
        self._mount(one)
        rows = self.raw.execute(what.text, parameters).fetchall()
        return rows, len(rows)

    def _write(
        self, one: Transaction, what: Statement, parameters: Any, *, many: bool
    ) -> tuple[list[Any], int]:
        while True:
            self._mount(one, writes=True)
            self._writer = one
            self._touched = []
            try:
                execute = self.raw.executemany if many else self.raw.execute
                cursor = execute(what.text, parameters)
                rows = cursor.fetchall()
                holder = self._holder(one, self._touched)
            except BaseException:
                self._unmount()  # and with it what the statement wrote; the rest comes back when it is needed
                raise
            if holder is None:
                self._keep(one)
                return rows, cursor.rowcount
            self._unmount()
            self._wait(one, holder)

    def _is_free(self, name: str, key: Any) -> bool:
        return self._locked.get((name, key)) in (None, self._writer)

    def _holder(
        self, one: Transaction, touched: list[tuple[Table, str, Sequence[Any]]]
    ) -> Transaction | None:
        for table, verb, row in touched:
            keys = [table.key_of(row)]
            if verb != "DELETE":
                keys += table.unique_keys(row)
            for key in keys:
                holder = self._locked.get(key)
                if holder is not None and holder is not one:
                    return holder
        return None

    def _keep(self, one: Transaction) -> None:
        for table, verb, row in self._touched:
            key = table.key_of(row)
            known = one.changes.get(key)
            is_new = known[0] if known is not None else verb == "INSERT"
            one.changes[key] = (is_new, None if verb == "DELETE" else row)
            self._take(one, key)
            if verb != "DELETE":
                for unique in table.unique_keys(row):
                    self._take(one, unique)
            if verb == "INSERT" and table.numbered:
                self._numbers[table.name] = max(self._numbers[table.name], row[table.key[0]])

    def _take(self, one: Transaction, key: Key) -> None:
        self._locked[key] = one
        one.locks.add(key)

    def _lock(self, one: Transaction, what: Statement, parameters: Any) -> tuple[list[Any], int]:
        while True:
            self._mount(one)
            rows = self.raw.execute(what.text, parameters).fetchall()
            keys = [(what.table, row[0]) for row in rows]
            held = [self._locked.get(key) not in (None, one) for key in keys]
            if not any(held):
                break
            if what.skips:
                rows = [row for row, is_held in zip(rows, held, strict=True) if not is_held]
                keys = [key for key, is_held in zip(keys, held, strict=True) if not is_held]
                break
            self._wait(one, self._locked[keys[held.index(True)]])
        for key in keys:
            self._take(one, key)
        return [row[1:] for row in rows], len(rows)

    def _claim(self, one: Transaction, what: Statement, parameters: Any) -> tuple[list[Any], int]:
        self._mount(one)
        found = self.raw.execute(what.text, parameters).fetchall()
        self.snapshot_taken()
        self._mount(one)
        locked: dict[Any, Any] = {}
        for run_id in dict.fromkeys(row[0] for row in found):
            key = ("aion_run", run_id)
            if self._locked.get(key) not in (None, one):
                continue
            row = self.raw.execute(what.again, [run_id, parameters[0]]).fetchone()
            if row is not None:
                self._take(one, key)
                locked[run_id] = row
        return list(locked.values()), len(locked)

    def _wait(self, one: Transaction, holder: Transaction) -> None:
        ahead: Transaction | None = holder
        while ahead is not None:
            if ahead is one:
                self.deadlocks += 1
                raise sqlite3.OperationalError("deadlock detected")
            ahead = ahead.waits_for
        one.waits_for = holder
        try:
            self.wait(holder)
        finally:
            one.waits_for = None

    # --- ends ---

    def commit(self, one: Transaction) -> None:
        if one.changes:
            self._mount(one, writes=True)
            self._mounted = None
            self.raw.execute("COMMIT")
            self.commits += 1
        self._end(one)
        if one.changes:
            self.committed(one)

    def rollback(self, one: Transaction) -> None:
        if self._mounted is one:
            self._unmount()
        self._end(one)

    def _end(self, one: Transaction) -> None:
        for key in one.locks:
            if self._locked.get(key) is one:
                del self._locked[key]
        one.over = True

    def savepoint(self, one: Transaction, name: str) -> None:
        one.savepoints.append((name, dict(one.changes), set(one.locks)))

    def release(self, one: Transaction, name: str) -> None:
        del one.savepoints[self._place(one, name) :]

    def rollback_to(self, one: Transaction, name: str) -> None:
        place = self._place(one, name)
        _, changes, locks = one.savepoints[place]
        del one.savepoints[place + 1 :]
        one.changes = dict(changes)
        for key in one.locks - locks:
            if self._locked.get(key) is one:
                del self._locked[key]
        one.locks = set(locks)
        if self._mounted is one:
            self._unmount()

    def _place(self, one: Transaction, name: str) -> int:
        names = [savepoint[0] for savepoint in one.savepoints]
        return len(names) - 1 - names[::-1].index(name)


def _nobody_waits(holder: Transaction) -> None:
    raise AssertionError("nobody else is there to end the transaction that is waited for")

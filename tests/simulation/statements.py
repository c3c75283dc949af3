"""What the text of a statement says about the locks that it takes."""

from __future__ import annotations

import re
from functools import lru_cache


class Statement:
    """A statement as SQLite runs it, and what its text says about locks."""

    def __init__(self, sql: str, with_parameters: bool) -> None:
        text = re.sub(r"(?<!%)%s", "?", sql).replace("%%", "%") if with_parameters else sql
        found = _LOCK.findall(text)
        self.skips = "SKIP LOCKED" in text
        text = _FREE.sub(r"\1is_free('\3', \2id) AND ", text)
        self.text = _LOCK.sub("", text)
        verb = self.text.split(None, 1)[0].upper()
        self.name = self.text.replace('"', "").split()[-1]
        if found and verb == "WITH":
            self.kind = "claim"
            self.again = self._of_locked_run()
        elif found and verb == "SELECT":
            self.kind = "lock"
            self._tell_ids()
        else:
            self.kind = _KINDS.get(verb, "read")
            if self.kind == "rollback" and " TO " not in self.text:
                self.kind = "rollback all"

    def _tell_ids(self) -> None:
        """Let a locking statement say which rows it found, in its first column."""
        match = re.search(r'FROM "?(\w+)"?( r\b)?', self.text)
        assert match is not None, self.text
        self.table = match[1]
        alias = "r." if match[2] else ""
        key = "name" if self.table == "aion_activitylimit" else "id"
        self.text = re.sub(r"^SELECT ", f"SELECT {alias}{key}, ", self.text)

    def _of_locked_run(self) -> str:
        """What a claim looks at once more when it has the lock: the run's row, and who owns it."""
        match = re.search(r"SELECT (r\.id, .*?) FROM aion_message", self.text)
        assert match is not None, self.text
        return (
            f"SELECT {match[1]} FROM aion_run r WHERE r.id = ? "
            "AND (r.owner_id IS NULL OR r.owner_id = ?)"
        )


_LOCK = re.compile(r" *FOR (?:NO KEY UPDATE|SHARE)(?: OF r)?(?: SKIP LOCKED)?")
_FREE = re.compile(  # rows to be written, of which locked ones are passed by
    r"(IN \(SELECT (\w\.)?id FROM (\w+)(?: \w)? WHERE )(?=.*FOR NO KEY UPDATE SKIP LOCKED\))"
)
_KINDS = {
    "INSERT": "write",
    "UPDATE": "write",
    "DELETE": "write",
    "BEGIN": "begin",
    "SAVEPOINT": "savepoint",
    "RELEASE": "release",
    "ROLLBACK": "rollback",
}

statement = lru_cache(maxsize=5_000)(Statement)

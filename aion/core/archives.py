"""The format of archived runs: JSON lines, readable by people, complete enough to be imported. Pure.

    {"aion":"run","format":1,"run":{"id":"...","workflow_id":"order-42",...}}
    {"seq":1,"recorded_at":"...","kind":"WorkflowStarted","attributes":{...}}
    ...
    {"aion":"row","table":"aion_update","row":{...}}
    {"aion":"file","name":"aion/<run id>/<digest>","data":"<base64>"}

The lines of events are those of an exported history, so every reader of one reads an archive: the other
lines begin with `{"aion":`. Payloads stand as they were stored, encrypted where they were; the files of large
ones follow.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

import msgspec

from aion.core.errors import HistoryError
from aion.core.history import ASIDE, Recorded, from_lines

FORMAT: Final = 1
MOST_BYTES: Final = 1024 * 1024 * 1024
"""An archive beyond is refused: it would not have been written by us."""
MOST_LINE: Final = 256 * 1024 * 1024
"""So is a line beyond: the longest are those of files of large payloads."""

_FILE_NAME: Final = re.compile(r"aion/[0-9a-f-]{36}/[\w.-]+")
_encode: Final = msgspec.json.Encoder().encode


class RunHead(msgspec.Struct, frozen=True, kw_only=True):
    """What the line of a run says that its history does not; there is more in it, for people."""

    id: uuid.UUID
    workflow_id: str
    workflow_type: str
    parent_run_id: uuid.UUID | None = None
    root_run_id: uuid.UUID | None = None
    continued_from_run_id: uuid.UUID | None = None
    chain_position: int = 0


class UpdateLine(msgspec.Struct, frozen=True, kw_only=True):
    """An update with its answer."""

    update_id: str
    name: str
    state: str
    result: str | None = None
    failure: str | None = None
    created_at: dt.datetime


class FileLine(msgspec.Struct, frozen=True):
    """The file of a large payload."""

    name: str
    data: bytes


class Archive(msgspec.Struct, frozen=True):
    """A run as read from lines. `head` is None for an exported history, which has events only."""

    history: list[Recorded]
    head: RunHead | None = None
    updates: list[UpdateLine] = []
    files: list[FileLine] = []


def run_line(run: dict[str, Any]) -> bytes:
    """Write the line of a run."""
    return _encode({"aion": "run", "format": FORMAT, "run": run})


def event_line(seq: int, recorded_at: dt.datetime, kind: str, attributes: str) -> bytes:
    """Write the line of an event as it is stored."""
    raw = msgspec.Raw(attributes.encode())
    line = {"seq": seq, "recorded_at": recorded_at, "kind": kind, "attributes": raw}
    return _encode(line)


def row_line(table: str, row: dict[str, Any]) -> bytes:
    """Write the line of another row of a run."""
    return _encode({"aion": "row", "table": table, "row": row})


def file_line(name: str, data: bytes) -> bytes:
    """Write the line of a payload's file."""
    return _encode({"aion": "file", "name": name, "data": data})


class _Line(msgspec.Struct, frozen=True):
    aion: str
    format: int = FORMAT
    run: RunHead | None = None
    table: str = ""
    row: msgspec.Raw = msgspec.Raw(b"{}")
    name: str = ""
    data: bytes = b""


def read_archive(lines: Iterable[bytes]) -> Archive:
    """Read a run: an archive, or an exported history.

    Raises:
        HistoryError: this is no run, or not whole; the message names the line.
    """
    kept = list(_bounded(lines))
    history = from_lines(kept)
    if not history:
        raise HistoryError("There are no events in it")
    heads: list[RunHead] = []
    updates: list[UpdateLine] = []
    files: list[FileLine] = []
    for number, text in enumerate(kept, 1):
        if not text.startswith(ASIDE):
            continue
        try:
            line = msgspec.json.decode(text, type=_Line)
            match line:
                case _Line(aion="run", format=version) if line.run and version == FORMAT:
                    heads.append(line.run)
                case _Line(aion="row", table="aion_update"):
                    updates.append(msgspec.json.decode(line.row, type=UpdateLine))
                case _Line(aion="row"):
                    pass  # made from the history, or of no use in a closed run
                case _Line(aion="file") if _FILE_NAME.fullmatch(line.name):
                    files.append(FileLine(line.name, line.data))
                case _:
                    raise HistoryError(f"Line {number} is none that this Aion knows", line=number)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise HistoryError(f"Line {number} cannot be read: {error}", line=number) from error
    if len(heads) > 1:
        raise HistoryError("There is more than one run in it")
    return Archive(history, heads[0] if heads else None, updates, files)


class _File(Protocol):
    def readline(self, size: int, /) -> bytes: ...


def lines_of(file: _File) -> Iterator[bytes]:
    """Read lines, of a packed file too, without filling the memory with what unfolds to too much.

    Raises:
        HistoryError: a line is longer than any that we write.
    """
    while line := file.readline(MOST_LINE + 1):
        if len(line) > MOST_LINE:
            raise HistoryError(f"It has a line longer than {MOST_LINE} bytes")
        yield line


def _bounded(lines: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for line in lines:
        size += len(line)
        if size > MOST_BYTES:
            raise HistoryError(f"It is longer than {MOST_BYTES} bytes")
        yield line

"""Write whole closed runs to a Django storage, each as a file of JSON lines, before they are deleted."""

from __future__ import annotations

import datetime as dt
import gzip
import uuid
from collections.abc import Iterator, Sequence
from typing import Final

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from aion.conf import settings
from aion.core import archives
from aion.core.errors import ArchiveError, InvalidArgument
from aion.store import payload_files, whole_runs
from aion.store.whole_runs import WholeRun

ROOT: Final = "aion-archive"
"""The folder of all archives; below it one for each day on which runs closed."""


def check_alias(alias: str) -> None:
    """Refuse an alias that no storage has.

    Raises:
        InvalidArgument: there is no such storage.
    """
    if alias and alias not in storages.backends:
        known = ", ".join(storages.backends)
        raise InvalidArgument(
            f"archive must be an alias in STORAGES, not {alias!r} (there are: {known})",
            field="archive",
        )


def write(run_ids: Sequence[uuid.UUID], alias: str) -> int:
    """Write runs to the storage of an alias and give their number. For holders of their locks.

    A run that is written again, because its deletion was not committed, replaces its file.

    Raises:
        ArchiveError: the storage failed, or a payload's file is not there.
    """
    whole = whole_runs.read(run_ids)
    storage: Storage = storages[alias]
    for one in whole:
        name = name_of(one.run["id"], one.run["closed_at"])
        try:
            data = gzip.compress(b"\n".join(lines_of(one)) + b"\n", mtime=0)
            if storage.exists(name):
                storage.delete(name)
            storage.save(name, ContentFile(data))
        except Exception as error:
            raise ArchiveError(
                f"Run {one.run['id']} could not be archived as {name!r}, and stays: "
                f"{type(error).__name__}: {error}",
                run_id=one.run["id"],
                name=name,
            ) from error
    return len(whole)


def name_of(run_id: uuid.UUID, closed_at: dt.datetime) -> str:
    """Give the name of a run's file."""
    return f"{ROOT}/{closed_at.astimezone(dt.UTC):%Y/%m/%d}/{run_id}.jsonl.gz"


def lines_of(whole: WholeRun) -> Iterator[bytes]:
    """Write a run as lines."""
    yield archives.run_line(whole.run)
    for seq, kind, recorded_at, attributes in whole.events:
        yield archives.event_line(seq, recorded_at, kind, attributes)
    for table, row in whole.rows:
        yield archives.row_line(table, row)
    if settings.PAYLOAD_STORAGE:
        yield from _files(str(whole.run["id"]))


def _files(run_id: str) -> Iterator[bytes]:
    try:
        names = payload_files.names_of(run_id)
    except FileNotFoundError:
        return  # the run has none
    for name in names:
        with payload_files.storage().open(name) as file:
            yield archives.file_line(name, file.read())

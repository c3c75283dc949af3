"""Delete files of large payloads that no row names any more.

A transaction that is rolled back leaves its files; a rotation and the end of an activity leave theirs, and
deleted runs leave all. None does harm. A young file may belong to a transaction that has not committed yet,
so only old ones are looked at.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import uuid
from collections.abc import Iterable

from aion.conf import settings
from aion.core.errors import InvalidArgument, PayloadStorageError
from aion.operations.clock import clock
from aion.store import payload_files, payload_names

log = logging.getLogger("aion.retention")

LEAST_AGE = dt.timedelta(days=1)


@dataclasses.dataclass(slots=True)
class Pruned:
    """What was found: files in the storage, and those of them that no row names."""

    files: int = 0
    orphans: list[str] = dataclasses.field(default_factory=list)


def prune_payloads(*, older_than: dt.timedelta = LEAST_AGE, dry_run: bool = False) -> Pruned:
    """Delete orphans of at least a day, and list them.

    Raises:
        InvalidArgument: `older_than` is less than a day.
        PayloadStorageError: there is no storage, or it failed. What was deleted is deleted.
    """
    if older_than < LEAST_AGE:
        text = f"older_than must be a day or more, not {older_than}: younger files may be about to be named"
        raise InvalidArgument(text, field="older_than")
    found = Pruned()
    until = clock.now() - older_than
    try:
        for run_id in payload_files.run_ids():
            names = payload_files.names_of(run_id)
            found.files += len(names)
            old = [name for name in names if _is_old(name, until)]
            if old:
                _prune(run_id, old, found, dry_run=dry_run)
    except PayloadStorageError:
        raise
    except Exception as error:
        text = f"The storage of payloads cannot be pruned: {type(error).__name__}: {error}"
        raise PayloadStorageError(text) from error
    return found


def forget_files(run_ids: Iterable[uuid.UUID]) -> None:
    """Delete the files of runs that are gone; what fails is left for `prune_payloads`.

    A message that waits elsewhere may still name one, such as a signal that the run had sent.
    """
    if not settings.PAYLOAD_STORAGE:
        return
    for run_id in run_ids:
        try:
            names = payload_files.names_of(str(run_id))
            named = payload_names.named_by(run_id) if names else set()
            for name in names:
                if name not in named:
                    payload_files.delete(name)
        except FileNotFoundError:
            pass  # it had none
        except Exception as error:  # noqa: BLE001  # whatever the storage calls that
            log.warning("The payload files of run %s are left behind: %s", run_id, error)


def _is_old(name: str, until: dt.datetime) -> bool:
    try:
        return payload_files.modified_at(name) <= until
    except FileNotFoundError:
        return False  # somebody else prunes too


def _prune(run_id: str, names: list[str], found: Pruned, *, dry_run: bool) -> None:
    try:
        key = uuid.UUID(run_id)
    except ValueError:
        return  # somebody else's folder
    named = payload_names.named_by(key)
    for name in names:
        if name not in named:
            found.orphans.append(name)
            if not dry_run:
                payload_files.delete(name)

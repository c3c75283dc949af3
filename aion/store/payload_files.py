"""Large payloads as files of a Django storage, below the ids of their runs.

A file is written before the row that names it, so a transaction that is rolled back leaves a file that no row
names: it does no harm, and `prune_payloads` finds it. Files are never changed. Their names are made of the
digests of their contents, and reading compares the digest.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections import OrderedDict
from typing import Final

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.utils import timezone

from aion.conf import settings
from aion.core.errors import PayloadStorageError
from aion.core.sealing import PayloadContext, Stored

ROOT: Final = "aion"
"""The folder of all files."""

_LARGEST: Final = 2**40

_YOUNG: Final = dt.timedelta(hours=12)
"""A file that may be an orphan is used again only when it is far too young to be pruned meanwhile."""


def storage() -> Storage:
    """Give the storage of the settings.

    Raises:
        PayloadStorageError: there is none.
    """
    alias = settings.PAYLOAD_STORAGE
    if not alias:
        raise PayloadStorageError(
            "A payload lies in a storage, but AION['PAYLOAD_STORAGE'] is not set; name the alias in "
            "STORAGES that it was written with"
        )
    try:
        found: Storage = storages[alias]
    except Exception as error:
        text = f"AION['PAYLOAD_STORAGE'] = {alias!r} cannot be used: {error}"
        raise PayloadStorageError(text) from error
    return found


class PayloadFiles:
    """Writes and reads the files of payloads, and keeps those that were read or written last."""

    def __init__(self) -> None:
        self.above = settings.PAYLOAD_STORE_ABOVE if settings.PAYLOAD_STORAGE else 0
        self._most = settings.PAYLOAD_CACHE_BYTES
        self._kept: OrderedDict[Stored, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def save(self, data: bytes, context: PayloadContext) -> Stored:
        """Write a file, unless the run has this very one.

        Raises:
            PayloadStorageError: the storage failed.
        """
        digest = hashlib.sha256(data).hexdigest()
        name = f"{ROOT}/{context.run_id}/{digest}"
        try:
            if not _holds(name, data):
                name = storage().save(name, ContentFile(data))
        except PayloadStorageError:
            raise
        except Exception as error:
            raise _failed("written", name, error) from error
        stored = Stored(name=name, size=len(data), sha256=digest)
        self._keep(stored, data)
        return stored

    def load(self, stored: Stored) -> bytes:
        """Read a file.

        Raises:
            PayloadStorageError: it is not there, is not what was written, or the storage failed.
        """
        with self._lock:
            kept = self._kept.get(stored)
            if kept is not None:
                self._kept.move_to_end(stored)
                return kept
        if not _is_ours(stored.name):
            raise PayloadStorageError(
                f"{stored.name[:100]!r} is no name of a payload file", name=stored.name[:100]
            )
        try:
            with storage().open(stored.name) as file:
                # Not all of what is there: it may not be what was written.
                data: bytes = file.read(min(max(stored.size, 0), _LARGEST) + 1)
        except PayloadStorageError:
            raise
        except Exception as error:
            raise _failed("read", stored.name, error) from error
        if len(data) != stored.size or hashlib.sha256(data).hexdigest() != stored.sha256:
            raise PayloadStorageError(
                f"The payload file {stored.name!r} is not what was written: {len(data)} bytes of "
                f"{stored.size}, or another digest",
                name=stored.name,
            )
        self._keep(stored, data)
        return data

    def _keep(self, stored: Stored, data: bytes) -> None:
        with self._lock:
            if stored in self._kept or len(data) > self._most:
                return
            self._kept[stored] = data
            self._bytes += len(data)
            while self._bytes > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)


def _is_ours(name: str) -> bool:
    """Tell whether a row may name a file: what else lies in the storage is nobody's payload."""
    return name.startswith(f"{ROOT}/") and ".." not in name and "\\" not in name


def _holds(name: str, data: bytes) -> bool:
    """Tell whether a file with this content is there, and will not be pruned before it is named by a row."""
    store = storage()
    if not store.exists(name):
        return False
    try:
        if timezone.now() - _modified(store, name) > _YOUNG:
            return False
    except NotImplementedError:
        return False
    with store.open(name) as file:
        there: bytes = file.read()
    return there == data  # a writer that died may have left a part


def _modified(store: Storage, name: str) -> dt.datetime:
    at: dt.datetime = store.get_modified_time(name)
    return at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)


def _failed(verb: str, name: str, error: Exception) -> PayloadStorageError:
    return PayloadStorageError(
        f"The payload file {name!r} could not be {verb}: {type(error).__name__}: {error}", name=name
    )


def names_of(run_id: str) -> list[str]:
    """List the files of a run."""
    folder = f"{ROOT}/{run_id}"
    return [f"{folder}/{name}" for name in storage().listdir(folder)[1]]


def run_ids() -> list[str]:
    """List the ids of runs that have files."""
    try:
        return sorted(storage().listdir(ROOT)[0])
    except FileNotFoundError:
        return []  # nothing was ever written


def modified_at(name: str) -> dt.datetime:
    """Give the time at which a file was written."""
    return _modified(storage(), name)


def delete(name: str) -> None:
    """Delete a file; one that is gone is no error."""
    storage().delete(name)

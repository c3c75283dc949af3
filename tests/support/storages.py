"""Storages for tests that can be made to fail, as real ones do."""

from __future__ import annotations

from typing import Any

from django.core.files.storage import FileSystemStorage, InMemoryStorage


class Faulty(FileSystemStorage):
    """A file system that fails to open or save while `FAULTS` says so."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        OPENED.append(name)
        if "open" in FAULTS:
            raise OSError("the storage does not answer")
        return super()._open(name, mode)

    def _save(self, name: str, content: Any) -> str:
        if "save" in FAULTS or any(
            content.size == size for size in FAULTS if isinstance(size, int)
        ):
            raise OSError("the storage takes nothing")
        return super()._save(name, content)


class Timeless(InMemoryStorage):
    """A storage that does not know when its files were written."""

    def get_modified_time(self, name: str) -> Any:
        raise NotImplementedError


FAULTS: set[Any] = set()
OPENED: list[str] = []

"""Rows that are facts: written once by the store, never changed or deleted through the ORM."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.db import models


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """Reads facts; refuses what would write, change or delete them."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(f"Events are immutable: {self.model.appended_by}")

    create = bulk_create = bulk_update = update = delete = _refuse
    get_or_create = update_or_create = _refuse


class AppendOnly:
    """A model of facts; the classes say who appends and who deletes them, for the error's text."""

    appended_by: ClassVar[str]
    deleted_by: ClassVar[str]

    def save(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: the store appends."""
        raise TypeError(f"Events are immutable: {self.appended_by}")

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: histories are deleted as a whole."""
        raise TypeError(f"Events are immutable: {self.deleted_by}")

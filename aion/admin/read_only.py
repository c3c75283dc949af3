"""What all of Aion's admin classes share: rows are looked at and never edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.functional import cached_property

MOST_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Pages of a table that may be huge: rows are counted up to a limit and no further."""

    @cached_property
    def count(self) -> int:
        """The number of rows, at most `MOST_COUNTED`."""
        rows: Any = self.object_list
        return len(rows.order_by().values_list("pk", flat=True)[:MOST_COUNTED])


class ReadOnlyAdmin(admin.ModelAdmin):
    """A list of rows that other parts of Aion write."""

    actions = None
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    list_display_links: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: the store writes these rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: the store writes these rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: the store deletes these rows."""
        return False

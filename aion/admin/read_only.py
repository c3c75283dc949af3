"""What all of Aion's admin classes share: rows are looked at and never edited."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core.paginator import Paginator
from django.db import router, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.text import capfirst

MOST_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Pages of a table that may be huge: rows are counted up to a limit and no further."""

    @cached_property
    def count(self) -> int:
        """The number of rows, at most `MOST_COUNTED`."""
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_COUNTED].count())


class ReadOnlyAdmin(admin.ModelAdmin):
    """A list of rows that other parts of Aion write."""

    actions = None
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    list_display_links: Any = None

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list under the name of what it lists."""
        title = capfirst(str(self.opts.verbose_name_plural))
        answer: HttpResponse = super().changelist_view(
            request, {"title": title, **(extra_context or {})}
        )
        return answer

    def page_context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        """Give what the templates of Aion's own pages need besides."""
        request.current_app = self.admin_site.name  # what `admin:` means in URLs
        return {**self.admin_site.each_context(request), "opts": self.opts, "title": title}

    @contextmanager
    def logged(self, request: HttpRequest, row: Any, *said: Any) -> Iterator[None]:
        """Act in a `with` block and write who did it: in one transaction, where both have one database."""
        with transaction.atomic(using=router.db_for_write(LogEntry)):
            yield
            self.log_change(request, row, ": ".join(str(part) for part in said if part))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: the store writes these rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: the store writes these rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: the store deletes these rows."""
        return False

"""Lists of what else there is: workers, pending activities, timers, search attributes."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from aion.access import access
from aion.admin.read_only import ReadOnlyAdmin
from aion.conf import settings
from aion.core.errors import PayloadUnavailable
from aion.core.failures import decode_failure
from aion.models import ActivityTask, SearchAttribute, Timer, Worker
from aion.operations.clock import clock
from aion.store.sealing import plain_failure

_LONGEST: Final = 120


# What a run has of any size is left in the database.
_LARGE: Final = tuple(
    f"run__{name}" for name in ("memo", "result", "failure", "problem", "search_attributes")
)


class _OfRuns(ReadOnlyAdmin):
    """A list of rows of all runs: for those who may see all runs."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask Django's permission; who sees only some runs finds these rows on their pages."""
        return super().has_view_permission(request, obj) and not access().scope(request.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the workflow ids in the same statement."""
        found: QuerySet[Any] = super().get_queryset(request)
        return found.select_related("run").defer(*_LARGE)

    @admin.display(description=_("run"))
    def run_link(self, row: Any) -> SafeString:
        """Lead to the run's page."""
        address = reverse(f"{self.admin_site.name}:aion_run_change", args=[row.run_id])
        return format_html('<a href="{}">{}</a>', address, row.run.workflow_id)


@admin.register(ActivityTask)
class ActivityAdmin(_OfRuns):
    """Activities without an outcome, the oldest first."""

    list_display = (
        "activity_type",
        "run_link",
        "state",
        "attempt",
        "next_attempt_at",
        "failed_by",
        "paused",
        "task_queue",
        "priority",
    )
    list_filter = ("state", "paused")
    search_fields = ("activity_type__startswith",)
    search_help_text = _("The beginning of an activity type.")
    ordering = ("pk",)

    @admin.display(description=_("last failure"))
    def failed_by(self, row: ActivityTask) -> str:
        """Say why the last attempt failed; a text that cannot be decoded is left out."""
        if row.last_failure is None:
            return ""
        try:
            failure = decode_failure(plain_failure(row.last_failure, row.run_id).encode())
        except PayloadUnavailable:
            return decode_failure(row.last_failure.encode()).type
        return Truncator(f"{failure.type}: {failure.message}").chars(_LONGEST)


@admin.register(Timer)
class TimerAdmin(_OfRuns):
    """Wake-ups that will come by themselves, the next one first. Those of paused runs are on their pages."""

    list_display = ("timer_id", "run_link", "fire_at")
    ordering = ("fire_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave out what is parked: the index of times does so, too."""
        return super().get_queryset(request).filter(parked=False)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Who is alive."""

    list_display = (
        "name",
        "is_alive",
        "host",
        "pid",
        "queues",
        "version",
        "started_at",
        "last_seen_at",
    )
    ordering = ("-last_seen_at",)

    @admin.display(boolean=True, description=_("alive"))
    def is_alive(self, row: Worker) -> bool:
        """Tell whether it was seen within the lease."""
        limit: dt.datetime = clock.now() - settings.lease
        return row.last_seen_at >= limit


@admin.register(SearchAttribute)
class SearchAttributeAdmin(ReadOnlyAdmin):
    """The registered search attributes. They are registered here too; the kind is for good."""

    list_display = ("name", "kind", "created_at")
    ordering = ("name",)
    fields = ("name", "kind")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Ask Django's permission."""
        return request.user.has_perm("aion.add_searchattribute")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Register through the operation, which checks the name."""
        from aion.client import register_search_attribute

        register_search_attribute(obj.name, obj.kind)

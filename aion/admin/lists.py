"""Lists of what else there is: workers, pending activities, timers, search attributes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from aion.admin.read_only import ReadOnlyAdmin
from aion.conf import settings
from aion.models import ActivityTask, SearchAttribute, Timer, Worker
from aion.operations.clock import clock


class _OfRuns(ReadOnlyAdmin):
    """A list of rows of runs."""

    @admin.display(description=_("run"))
    def run_link(self, row: Any) -> SafeString:
        """Lead to the run's page."""
        address = reverse(f"{self.admin_site.name}:aion_run_change", args=[row.run_id])
        return format_html('<a href="{}">{}</a>', address, row.run_id)


@admin.register(ActivityTask)
class ActivityAdmin(_OfRuns):
    """Activities without an outcome, the oldest due first."""

    list_display = (
        "activity_type",
        "run_link",
        "state",
        "attempt",
        "task_queue",
        "next_attempt_at",
        "heartbeat_at",
    )
    list_filter = ("state",)
    search_fields = ("activity_type__startswith",)
    search_help_text = _("The beginning of an activity type.")
    ordering = ("next_attempt_at",)


@admin.register(Timer)
class TimerAdmin(_OfRuns):
    """Wake-ups, the next one first."""

    list_display = ("timer_id", "run_link", "fire_at", "parked")
    ordering = ("fire_at",)


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

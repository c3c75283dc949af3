"""Schedules in the admin: what they are told, when they fire next, what became of the last times."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aion import client
from aion.access import Verb, access
from aion.admin.forms import BackfillForm, NoteForm, TriggerForm
from aion.admin.read_only import ReadOnlyAdmin
from aion.client import ScheduleDescription, ScheduleHandle
from aion.core.errors import AionError
from aion.models import Schedule
from aion.operations.clock import clock


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleVerb:
    """A verb as the admin offers it. `act` gives what to tell besides, or nothing."""

    name: str
    label: Any
    explanation: Any
    verb: Verb
    act: Callable[[ScheduleHandle, Mapping[str, Any]], Any]
    form: type[forms.Form] = NoteForm
    when_paused: bool | None = None
    is_destructive: bool = False


def _trigger(handle: ScheduleHandle, data: Mapping[str, Any]) -> str:
    firing = handle.trigger(data["overlap"] or None, request_id=data["request_id"])
    return f"{firing.state} {firing.workflow_id}"


def _backfill(handle: ScheduleHandle, data: Mapping[str, Any]) -> str:
    count = handle.backfill(
        data["start_at"], data["end_at"], data["overlap"] or None, request_id=data["request_id"]
    )
    return _("%(count)d times") % {"count": count}


VERBS: Final[dict[str, ScheduleVerb]] = {
    verb.name: verb
    for verb in (
        ScheduleVerb(
            name="trigger",
            label=gettext_lazy("Trigger now"),
            explanation=gettext_lazy("Fire once, now. A paused schedule fires too."),
            verb=Verb.TRIGGER_SCHEDULE,
            act=_trigger,
            form=TriggerForm,
        ),
        ScheduleVerb(
            name="backfill",
            label=gettext_lazy("Backfill"),
            explanation=gettext_lazy(
                "Fire the times of a past range that have started nothing yet, oldest first."
            ),
            verb=Verb.BACKFILL_SCHEDULE,
            act=_backfill,
            form=BackfillForm,
        ),
        ScheduleVerb(
            name="pause",
            label=gettext_lazy("Pause"),
            explanation=gettext_lazy("Let no time fire until the schedule is resumed."),
            verb=Verb.PAUSE_SCHEDULE,
            act=lambda handle, data: handle.pause(data["note"]),
            when_paused=False,
        ),
        ScheduleVerb(
            name="resume",
            label=gettext_lazy("Resume"),
            explanation=gettext_lazy("Let times fire again, those from now on."),
            verb=Verb.RESUME_SCHEDULE,
            act=lambda handle, data: handle.resume(data["note"]),
            when_paused=True,
        ),
        ScheduleVerb(
            name="delete",
            label=gettext_lazy("Delete"),
            explanation=gettext_lazy("Delete the schedule. Runs that it started go on."),
            verb=Verb.DELETE_SCHEDULE,
            act=lambda handle, data: handle.delete(data["note"]),
            is_destructive=True,
        ),
    )
}


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    """The list is the admin's, the pages are Aion's own."""

    list_display = ("schedule_id", "workflow_type", "paused", "next_at", "started_count", "note")
    list_display_links = ("schedule_id",)
    list_filter = ("paused",)
    search_fields = ("schedule_id__startswith",)
    search_help_text = gettext_lazy("The beginning of a schedule id.")
    ordering = ("schedule_id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave deleted schedules out."""
        found: QuerySet[Any] = super().get_queryset(request).filter(deleted_at__isnull=True)
        return found

    def get_urls(self) -> list[URLPattern]:
        """Add the verbs in front of the admin's own URLs."""
        view = self.admin_site.admin_view(self.act_view)
        return [
            path("<path:pk>/act/<str:name>/", view, name="aion_schedule_act"),
            *super().get_urls(),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask the access rules."""
        return access().may(request.user, Verb.VIEW_SCHEDULE)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the list to whoever may see schedules."""
        return self.has_view_permission(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the page of a schedule."""
        schedule, described = self._schedule(request, object_id)
        context = {
            **self.page_context(request, schedule.schedule_id),
            "schedule": described,
            "words": described.config.spec.describe(),
            "zone": described.config.spec.time_zone or "UTC",
            "now": clock.now(),
            "verbs": [v for v in VERBS.values() if self._offers(request, v, described)],
            "object_id": object_id,
        }
        return TemplateResponse(request, "admin/aion/schedule/change_form.html", context)

    def act_view(self, request: HttpRequest, pk: str, name: str) -> HttpResponse:
        """Ask for what a verb needs, then do it."""
        schedule, described = self._schedule(request, pk)
        verb = VERBS.get(name)
        if verb is None:
            raise Http404(_("There is no verb %(name)s.") % {"name": name})
        if not access().may(request.user, verb.verb):
            raise PermissionDenied
        form = verb.form(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                told = self._carry_out(request, verb, schedule, form.cleaned_data)
            except AionError as error:
                form.add_error(None, f"{error.code}: {error}")
            else:
                messages.success(request, " ".join(map(str, filter(None, [verb.label, told]))))
                return HttpResponseRedirect(self._after(verb, pk))
        context = {
            **self.page_context(request, f"{verb.label}: {schedule.schedule_id}"),
            "verb": verb,
            "form": form,
            "schedule": described,
            "back": self._address("change", pk),
        }
        return TemplateResponse(request, "admin/aion/schedule/act.html", context)

    def _carry_out(
        self, request: HttpRequest, verb: ScheduleVerb, schedule: Schedule, data: dict[str, Any]
    ) -> Any:
        with self.logged(request, schedule, verb.label, data.get("note")):
            return verb.act(client.get_schedule_handle(schedule.schedule_id), data)

    def _schedule(self, request: HttpRequest, pk: str) -> tuple[Schedule, ScheduleDescription]:
        if not self.has_view_permission(request):
            raise PermissionDenied
        schedule: Any = self.get_object(request, pk)
        if schedule is None:
            raise Http404(_("There is no schedule %(id)s.") % {"id": pk})
        return schedule, client.get_schedule_handle(schedule.schedule_id).describe()

    def _offers(
        self, request: HttpRequest, verb: ScheduleVerb, schedule: ScheduleDescription
    ) -> bool:
        fits = verb.when_paused is None or verb.when_paused == schedule.paused
        return fits and access().may(request.user, verb.verb)

    def _address(self, name: str, *args: Any) -> str:
        return reverse(f"{self.admin_site.name}:aion_schedule_{name}", args=args)

    def _after(self, verb: ScheduleVerb, pk: str) -> str:
        return self._address("changelist") if verb.name == "delete" else self._address("change", pk)

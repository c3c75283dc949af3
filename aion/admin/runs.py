"""Runs in the admin: the list, the page of each, and what can be done to them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from aion import client
from aion.access import Verb, access
from aion.admin.activity_verbs import ACTIVITY_VERBS
from aion.admin.read_only import ReadOnlyAdmin
from aion.admin.run_list import run_list
from aion.admin.run_page import find_run, run_page
from aion.admin.tree import tree
from aion.admin.verbs import VERBS, RunVerb, answer
from aion.authoring.handler_descriptions import HandlerDescription
from aion.authoring.registry import registry
from aion.client import RunDescription, UpdateHandle, WorkflowHandle
from aion.core.errors import AionError
from aion.core.history import to_lines
from aion.models import Run
from aion.operations.doctor import diagnose
from aion.operations.health import health

MOST_SELECTED: Final = 1_000
MOST_TOLD: Final = 10


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """The list and the pages are Aion's own; permissions, log and look are the admin's."""

    def get_urls(self) -> list[URLPattern]:
        """Add the verbs in front of the admin's own URLs."""
        wrap = self.admin_site.admin_view
        return [
            path("doctor/", wrap(self.doctor_view), name="aion_run_doctor"),
            path("batch/<str:name>/", wrap(self.batch_view), name="aion_run_batch"),
            path("<uuid:run_id>/history.jsonl", wrap(self.export_view), name="aion_run_export"),
            path("<uuid:run_id>/children/", wrap(self.children_view), name="aion_run_children"),
            path("<uuid:run_id>/act/<str:name>/", wrap(self.act_view), name="aion_run_act"),
            path(
                "<uuid:run_id>/activity/<str:name>/",
                wrap(self.activity_view),
                name="aion_run_act_on_activity",
            ),
            *super().get_urls(),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask the access rules."""
        return access().may(request.user, Verb.VIEW)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the app to whoever may see runs."""
        return self.has_view_permission(request)

    # --- the list ---

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list of runs; the actions post to `batch_view`."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._chosen_action(request)
        verbs = [
            verb
            for verb in VERBS.values()
            if verb.for_many and access().may(request.user, verb.verb)
        ]
        context = {
            **self.page_context(request, capfirst(str(self.opts.verbose_name_plural))),
            "health": health().problems,
            "list": run_list(request.GET.dict(), access().scope(request.user)),
            "verbs": verbs,
            "search": request.GET.get("q", ""),
            "parameters": request.GET.urlencode(),
        }
        return TemplateResponse(request, "admin/aion/run/change_list.html", context)

    def doctor_view(self, request: HttpRequest) -> HttpResponse:
        """Show what is stuck and why, to those who may see every run."""
        if not self.has_view_permission(request) or access().scope(request.user):
            raise PermissionDenied
        context = {**self.page_context(request, _("What is stuck")), "diagnosis": diagnose()}
        return TemplateResponse(request, "admin/aion/run/doctor.html", context)

    def _chosen_action(self, request: HttpRequest) -> HttpResponse:
        selected = request.POST.getlist("run")
        name = request.POST.get("action", "")
        if name not in VERBS or not selected:
            messages.warning(request, _("Choose an action, and runs to do it to."))
            return HttpResponseRedirect(request.get_full_path())
        return self._ask_batch(request, VERBS[name], selected)

    # --- acts on many ---

    def batch_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Carry a confirmed act out, on each selected run for itself."""
        verb = self._verb(request, name)
        selected = request.POST.getlist("run")
        if request.method != "POST" or not selected:
            return HttpResponseRedirect(self._list_url())
        form = verb.form(request.POST)
        if not form.is_valid():
            return self._ask_batch(request, verb, selected, form)
        done, problems = 0, []
        for run in self._selected(request, verb, selected):
            try:
                self._carry_out(request, verb, run, form.cleaned_data)
            except AionError as error:
                problems.append(f"{run.workflow_id}: {error}")
            else:
                done += 1
        self._tell(request, verb, done, problems)
        return HttpResponseRedirect(self._list_url())

    def _tell(self, request: HttpRequest, verb: RunVerb, done: int, problems: list[str]) -> None:
        for problem in problems[:MOST_TOLD]:
            messages.error(request, problem)
        if len(problems) > MOST_TOLD:
            text = _("%(count)d more were refused.") % {"count": len(problems) - MOST_TOLD}
            messages.error(request, text)
        if done:
            text = ngettext("%(verb)s: %(count)d run.", "%(verb)s: %(count)d runs.", done)
            messages.success(request, text % {"verb": verb.label, "count": done})

    def _ask_batch(
        self, request: HttpRequest, verb: RunVerb, selected: Sequence[str], form: Any = None
    ) -> HttpResponse:
        if not verb.for_many or not access().may(request.user, verb.verb):
            raise PermissionDenied
        runs = list(self._selected(request, verb, selected))
        context = {
            **self.page_context(request, str(verb.label)),
            "verb": verb,
            "form": form or verb.form(),
            "runs": [run for run in runs if verb.fits(run)],
            "unfit": [run for run in runs if not verb.fits(run)],
            "action": reverse(f"{self.admin_site.name}:aion_run_batch", args=[verb.name]),
            "back": self._list_url(),
        }
        return TemplateResponse(request, "admin/aion/run/act.html", context)

    def _selected(
        self, request: HttpRequest, verb: RunVerb, selected: Sequence[str]
    ) -> Iterator[RunDescription]:
        for text in selected[:MOST_SELECTED]:
            run = find_run(text)
            if run is not None and access().may(request.user, verb.verb, run):
                yield run

    # --- one run ---

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the page of a run."""
        run = self._run(request, object_id)
        context = {
            **self.page_context(request, run.workflow_id),
            "page": run_page(request, run),
            "original": run.workflow_id,
            "object_id": object_id,
        }
        return TemplateResponse(request, "admin/aion/run/change_form.html", context)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Show who did what to a run that the user may see."""
        self._run(request, object_id)
        answer: HttpResponse = super().history_view(request, object_id, extra_context)
        return answer

    def children_view(self, request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
        """Show the tree of children; `open` names the runs whose children are shown too."""
        run = self._run(request, str(run_id))
        context = {
            **self.page_context(request, _("Children of %(id)s") % {"id": run.workflow_id}),
            "run": run,
            "tree": tree(run_id, request.GET.getlist("open"), access().scope(request.user)),
        }
        return TemplateResponse(request, "admin/aion/run/children.html", context)

    def act_view(self, request: HttpRequest, run_id: uuid.UUID, name: str) -> HttpResponse:
        """Ask for the reason and whatever else a verb needs, then do it."""
        run = self._run(request, str(run_id))
        verb = self._verb(request, name, run)
        form = verb.form(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                new = self._carry_out(request, verb, run, form.cleaned_data)
            except AionError as error:
                form.add_error(None, f"{error.code}: {error}")
            else:
                told = f"{verb.label}: {run.workflow_id}"
                if isinstance(new, UpdateHandle):
                    told = f"{told}: {answer(new)}"
                messages.success(request, told)
                return HttpResponseRedirect(self._run_url(new.run_id or run.run_id))
        context = {
            **self.page_context(request, f"{verb.label}: {run.workflow_id}"),
            "verb": verb,
            "form": form,
            "runs": [run],
            "unfit": [] if verb.fits(run) else [run],
            "handlers": _handlers(run, verb.handlers),
            "action": request.path,
            "back": self._run_url(run.run_id),
        }
        return TemplateResponse(request, "admin/aion/run/act.html", context)

    def activity_view(self, request: HttpRequest, run_id: uuid.UUID, name: str) -> HttpResponse:
        """Ask for the reason of an act on a pending activity, then do it; `activity` is its id."""
        run = self._run(request, str(run_id))
        verb = ACTIVITY_VERBS.get(name)
        activity_id = request.GET.get("activity", "")
        activity = next((a for a in run.pending_activities if a.activity_id == activity_id), None)
        if not access().may(request.user, Verb.OPERATE_ACTIVITY, run):
            raise PermissionDenied
        if verb is None or activity is None:
            raise Http404(_("There is no such verb, or no such pending activity."))
        form = verb.form(request.POST if request.method == "POST" else None)
        what = f"{verb.label}: {activity.activity_type} {activity_id}"
        if request.method == "POST" and form.is_valid():
            handle = client.get_workflow_handle(run.workflow_id, run.run_id).activity(activity_id)
            try:
                with self.logged(request, _row(run), what, form.cleaned_data.get("reason")):
                    verb.act(handle, request.user.get_username(), form.cleaned_data)
            except AionError as error:
                form.add_error(None, f"{error.code}: {error}")
            else:
                messages.success(request, what)
                return HttpResponseRedirect(self._run_url(run.run_id))
        context = {
            **self.page_context(request, what),
            "verb": verb,
            "form": form,
            "runs": [run],
            "action": request.get_full_path(),
            "back": self._run_url(run.run_id),
        }
        return TemplateResponse(request, "admin/aion/run/act.html", context)

    def export_view(self, request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
        """Give the history as a file of JSON lines."""
        run = self._run(request, str(run_id))
        handle = client.get_workflow_handle(run.workflow_id, run.run_id)
        try:
            history = handle.fetch_history()
        except AionError as error:  # a key or a file is missing
            return HttpResponse(f"{error.code}: {error}", status=409, content_type="text/plain")
        response = StreamingHttpResponse(
            (line + b"\n" for line in to_lines(history)), content_type="application/jsonl"
        )
        response["Content-Disposition"] = f'attachment; filename="{run.run_id}.jsonl"'
        response["X-Content-Type-Options"] = "nosniff"
        return response

    # --- what they share ---

    def _carry_out(
        self, request: HttpRequest, verb: RunVerb, run: RunDescription, data: dict[str, Any]
    ) -> WorkflowHandle | UpdateHandle:
        handle = client.get_workflow_handle(run.workflow_id, run.run_id)
        said = [data.get(name) for name in ("signal", "update", "reason")]
        with self.logged(request, _row(run), verb.label, *said):
            new = verb.act(handle, data)
        return new or handle

    def _run(self, request: HttpRequest, run_id: str) -> RunDescription:
        run = find_run(run_id)
        if not self.has_view_permission(request):
            raise PermissionDenied
        if run is None or not access().may(request.user, Verb.VIEW, run):
            raise Http404(_("There is no run %(id)s.") % {"id": run_id})
        return run

    def _verb(self, request: HttpRequest, name: str, run: RunDescription | None = None) -> RunVerb:
        verb = VERBS.get(name)
        if verb is None:
            raise Http404(_("There is no verb %(name)s.") % {"name": name})
        if not access().may(request.user, verb.verb, run):
            raise PermissionDenied
        return verb

    def _list_url(self) -> str:
        return reverse(f"{self.admin_site.name}:aion_run_changelist")

    def _run_url(self, run_id: uuid.UUID) -> str:
        return reverse(f"{self.admin_site.name}:aion_run_change", args=[run_id])


def _row(run: RunDescription) -> Run:
    """Give what the admin's log says of a run."""
    return Run(id=run.run_id, workflow_id=run.workflow_id, status=run.status)


def _handlers(run: RunDescription, kind: str) -> Sequence[HandlerDescription]:
    """List the handlers of a kind that the run's code has, for the form."""
    definition = registry.workflows.get(run.workflow_type)
    if not kind or definition is None:
        return ()
    return [handler for handler in definition.describe_handlers() if handler.kind == kind]

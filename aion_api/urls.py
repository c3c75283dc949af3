"""The API's URLs: `path("aion/", include("aion_api.urls"))`.

A workflow id may hold slashes, so what is done to a run stands behind it and is tried first.
"""

from __future__ import annotations

from django.db.transaction import non_atomic_requests
from django.urls import path, register_converter
from django.urls.converters import StringConverter

from aion_api.views import (
    activities,
    batches,
    documents,
    health,
    lifecycle,
    lists,
    messages,
    schedules,
    system,
    workflows,
)

app_name = "aion_api"


class AnyText(StringConverter):
    """Ids are any text, with slashes and line breaks: Django's `path` stops at those."""

    regex = "(?s:.+)"


register_converter(AnyText, "aion_text")

_RUN = "workflows/<aion_text:workflow_id>/"
_ACTIVITY = f"{_RUN}activities/<str:activity_id>/"
_SCHEDULE = "schedules/<aion_text:schedule_id>/"

urlpatterns = [
    path("health/", health.Health.as_view(), name="health"),
    path("doctor/", health.Doctor.as_view(), name="doctor"),
    path("schema/", documents.Schema.as_view(), name="schema"),
    path("docs/", documents.Swagger.as_view(), name="docs"),
    path("workflows/", workflows.Workflows.as_view(), name="workflows"),
    path("workflow-counts/", lists.Counts.as_view(), name="counts"),
    # Each run of a batch is done for itself, also where requests are transactions.
    path("workflow-batches/", non_atomic_requests(batches.Batches.as_view()), name="batches"),
    path(f"{_ACTIVITY}pause/", activities.Pause.as_view(), name="pause_activity"),
    path(f"{_ACTIVITY}unpause/", activities.Unpause.as_view(), name="unpause_activity"),
    path(f"{_ACTIVITY}reset/", activities.Reset.as_view(), name="reset_activity"),
    path(f"{_ACTIVITY}retry/", activities.Retry.as_view(), name="retry_activity"),
    path(f"{_ACTIVITY}complete/", activities.Complete.as_view(), name="complete_activity"),
    path(f"{_ACTIVITY}fail/", activities.Fail.as_view(), name="fail_activity"),
    path(f"{_RUN}history/", workflows.History.as_view(), name="history"),
    path(f"{_RUN}result/", workflows.Result.as_view(), name="result"),
    path(f"{_RUN}signal/<str:name>/", messages.Signal.as_view(), name="signal"),
    path(f"{_RUN}query/<str:name>/", messages.Query.as_view(), name="query"),
    path(f"{_RUN}update/<str:name>/", messages.Update.as_view(), name="update"),
    path(f"{_RUN}cancel/", lifecycle.Cancel.as_view(), name="cancel"),
    path(f"{_RUN}terminate/", lifecycle.Terminate.as_view(), name="terminate"),
    path(f"{_RUN}pause/", lifecycle.Pause.as_view(), name="pause"),
    path(f"{_RUN}resume/", lifecycle.Resume.as_view(), name="resume"),
    path(f"{_RUN}release/", lifecycle.Release.as_view(), name="release"),
    path(f"{_RUN}reopen/", lifecycle.Reopen.as_view(), name="reopen"),
    path(f"{_RUN}reset/", lifecycle.Reset.as_view(), name="reset"),
    path("activities/complete/", activities.CompleteByToken.as_view(), name="complete_token"),
    path("activities/fail/", activities.FailByToken.as_view(), name="fail_token"),
    path("activities/heartbeat/", activities.HeartbeatByToken.as_view(), name="heartbeat_token"),
    path("schedules/", schedules.Schedules.as_view(), name="schedules"),
    path(f"{_SCHEDULE}pause/", schedules.Pause.as_view(), name="pause_schedule"),
    path(f"{_SCHEDULE}resume/", schedules.Resume.as_view(), name="resume_schedule"),
    path(f"{_SCHEDULE}trigger/", schedules.Trigger.as_view(), name="trigger_schedule"),
    path(f"{_SCHEDULE}backfill/", schedules.Backfill.as_view(), name="backfill_schedule"),
    path(_SCHEDULE, schedules.Schedule.as_view(), name="schedule"),
    path("search-attributes/", system.SearchAttributes.as_view(), name="search_attributes"),
    path("workers/", system.Workers.as_view(), name="workers"),
    path("workflow-types/", system.WorkflowTypes.as_view(), name="workflow_types"),
    path(
        "workflow-types/<aion_text:workflow_type>/",
        system.WorkflowType.as_view(),
        name="workflow_type",
    ),
    path(_RUN, workflows.Describe.as_view(), name="describe"),
]

"""The API's URLs: `path("aion/", include("aion_api.urls"))`.

A workflow id may hold slashes, so what is done to a run stands behind it and is tried first.
"""

from __future__ import annotations

from django.urls import path

from aion_api.views import documents, health, lifecycle, messages, workflows

app_name = "aion_api"

_RUN = "workflows/<path:workflow_id>/"

urlpatterns = [
    path("health/", health.Health.as_view(), name="health"),
    path("schema/", documents.Schema.as_view(), name="schema"),
    path("docs/", documents.Swagger.as_view(), name="docs"),
    path("workflows/", workflows.Workflows.as_view(), name="workflows"),
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
    path(_RUN, workflows.Describe.as_view(), name="describe"),
]

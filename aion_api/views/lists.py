"""Lists and counts of runs, within what the user may see."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from aion import client
from aion.access import access
from aion.core.plain import plain
from aion_api import inputs, outputs
from aion_api.views.base import AionView


def page_of_runs(user: Any, asked: dict[str, Any]) -> Response:
    """Give a page of the runs that the user asks for, of those that they may see."""
    page_size, cursor = asked.pop("page_size"), asked.pop("cursor")
    found = client.list_workflows(**_filters(user, asked), page_size=page_size, cursor=cursor)
    page = found.page()
    return Response(plain({"runs": page.runs, "next_cursor": page.next_cursor}))


def _filters(user: Any, asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "query": asked["query"],
        "search": asked["search"],
        "workflow_type": asked.get("type"),
        "status": asked.get("status") or None,
        "within": access().scope(user),
    }


class Counts(AionView):
    """Counts of runs."""

    @extend_schema(
        operation_id="count_workflows",
        parameters=[inputs.CountQuery],
        responses={200: outputs.Count, 400: outputs.Problem},
    )
    def get(self, request: Request) -> Response:
        """Count runs, up to a cap and no further: alone, or by status or type."""
        asked = self.read_query(inputs.CountQuery)
        counted = client.count_workflows(
            **_filters(request.user, asked), group_by=asked["group_by"]
        )
        return Response(plain(counted))

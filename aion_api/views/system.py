"""What the system has: search attributes, workers, workflow types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from aion import client
from aion.access import Verb
from aion.authoring.registry import registry
from aion.core.errors import UnknownType
from aion.core.plain import plain
from aion_api import inputs, outputs
from aion_api.problems import problem
from aion_api.views.base import AionView


class SearchAttributes(AionView):
    """Search attributes: list them, register one."""

    verb = Verb.ADD_SEARCH_ATTRIBUTE
    verbs: ClassVar[Mapping[str, Verb]] = {"GET": Verb.VIEW}

    @extend_schema(operation_id="list_search_attributes", responses={200: outputs.SearchAttributes})
    def get(self, request: Request) -> Response:
        """List the search attributes that are registered, by name."""
        return Response(plain({"search_attributes": client.list_search_attributes()}))

    @extend_schema(
        operation_id="register_search_attribute",
        request=inputs.NewSearchAttribute,
        responses={200: outputs.SearchAttribute, 400: outputs.Problem, 409: outputs.Problem},
    )
    def post(self, request: Request) -> Response:
        """Register a search attribute; the same name and kind again change nothing."""
        body = self.read(inputs.NewSearchAttribute)
        return Response(plain(client.register_search_attribute(body["name"], body["kind"])))


class Workers(AionView):
    """Workers."""

    @extend_schema(operation_id="list_workers", responses={200: outputs.Workers})
    def get(self, request: Request) -> Response:
        """List the workers that are known, the oldest first, and whether they live."""
        return Response(plain({"workers": client.list_workers()}))


class WorkflowTypes(AionView):
    """Workflow types."""

    @extend_schema(operation_id="list_workflow_types", responses={200: outputs.WorkflowTypes})
    def get(self, request: Request) -> Response:
        """List the workflow types that can be started here, by name."""
        return Response({"workflow_types": sorted(registry.workflows)})


class WorkflowType(AionView):
    """One workflow type."""

    @extend_schema(
        operation_id="describe_workflow_type",
        responses={200: outputs.WorkflowType, 404: outputs.Problem},
    )
    def get(self, request: Request, workflow_type: str) -> Response:
        """Describe the signals, queries and updates of a workflow type: for forms."""
        try:
            found = registry.workflow(workflow_type)
        except UnknownType as error:
            return problem(status.HTTP_404_NOT_FOUND, error.code, str(error))
        data = {"workflow_type": found.name, "handlers": found.describe_handlers()}
        return Response(plain(data))

"""Signals, queries and updates."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from aion.access import Verb
from aion.core import errors
from aion.core.ids import uuid7
from aion_api import inputs, outputs
from aion_api.views.base import RunView
from aion_api.views.workflows import RUN_ID, checked_arguments


class Signal(RunView):
    """Signals of a run."""

    verb = Verb.SIGNAL

    @extend_schema(
        operation_id="signal_workflow",
        parameters=[RUN_ID],
        request=inputs.Signal,
        responses={202: None, 404: outputs.Problem, 409: outputs.Problem},
    )
    def post(self, request: Request, workflow_id: str, name: str) -> Response:
        """Send a signal. Once this is answered, the workflow will see it."""
        body = self.read(inputs.Signal)
        handle, _ = self.run(workflow_id)
        with checked_arguments():
            handle.signal(name, *body["args"], kwargs=body["kwargs"], request_id=body["request_id"])
        return Response(status=status.HTTP_202_ACCEPTED)


class Query(RunView):
    """Queries of a run."""

    verb = Verb.QUERY

    @extend_schema(
        operation_id="query_workflow",
        parameters=[RUN_ID],
        request=inputs.Arguments,
        responses={200: outputs.Answer, 404: outputs.Problem, 422: outputs.Problem},
    )
    def post(self, request: Request, workflow_id: str, name: str) -> Response:
        """Ask the workflow's code, open or closed; nothing changes."""
        body = self.read(inputs.Arguments)
        handle, _ = self.run(workflow_id)
        with checked_arguments():
            answer = handle.query(name, *body["args"], kwargs=body["kwargs"])
        return Response({"result": answer})


class Update(RunView):
    """Updates of a run."""

    verb = Verb.UPDATE

    @extend_schema(
        operation_id="update_workflow",
        parameters=[RUN_ID],
        request=inputs.Update,
        responses={
            200: outputs.Answer,
            202: outputs.Pending,
            404: outputs.Problem,
            422: outputs.Problem,
        },
    )
    def post(self, request: Request, workflow_id: str, name: str) -> Response:
        """Send an update and wait for its answer a while; 202 when there is none yet.

        The same `update_id` again attaches to the first.
        """
        body = self.read(inputs.Update)
        handle, _ = self.run(workflow_id)
        update_id = body["update_id"] or str(uuid7())
        with checked_arguments():
            sent = handle.start_update(
                name, *body["args"], kwargs=body["kwargs"], id=update_id, wait_for=""
            )
        try:
            return Response({"result": sent.result(body["wait"])})
        except errors.ResultTimeout:
            data = {"status": "pending", "update_id": update_id}
            return Response(data, status.HTTP_202_ACCEPTED)

"""Starting workflows and looking at runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from aion import client
from aion.access import Verb
from aion.client import IdConflictPolicy
from aion.core import errors
from aion.core.failures import failure_from
from aion.core.plain import plain
from aion_api import inputs, outputs
from aion_api.problems import BadArguments
from aion_api.views.base import AionView, RunView
from aion_api.views.lists import page_of_runs

RUN_ID = OpenApiParameter(
    "run_id", UUID, description="this run, not the open or newest one of the workflow id"
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="a repeated start with the same key and workflow id gives the run of the first",
)


_SIGNAL: Final = ("signal", "signal_args", "signal_kwargs", "signal_request_id")


class Workflows(AionView):
    """Workflows: list them, start one."""

    verb = Verb.START
    verbs: ClassVar[Mapping[str, Verb]] = {"GET": Verb.VIEW}

    @extend_schema(
        operation_id="list_workflows",
        parameters=[inputs.ListQuery],
        responses={200: outputs.Runs, 400: outputs.Problem},
    )
    def get(self, request: Request) -> Response:
        """List runs, the newest first unless the query says otherwise, a page at a time."""
        return page_of_runs(request.user, self.read_query(inputs.ListQuery))

    @extend_schema(
        operation_id="start_workflow",
        parameters=[IDEMPOTENCY_KEY],
        request=inputs.Start,
        responses={201: outputs.Started, 200: outputs.Started, 409: outputs.Problem},
    )
    def post(self, request: Request) -> Response:
        """Start a workflow by its type name. 201 when it was started, 200 when it was there before.

        With `signal` it is sent to the open run of the workflow id, or to the one that is started.
        """
        body = self.read(inputs.Start)
        signal = {name: body.pop(name) for name in _SIGNAL}
        self._require_of_open_run(body, signal)
        start = client.signal_with_start if signal["signal"] else client.start_workflow
        if signal["signal"]:
            body |= signal
        with checked_arguments():
            handle = start(
                body.pop("workflow_type"),
                *body.pop("args"),
                id=body.pop("workflow_id"),
                request_id=request.headers.get("Idempotency-Key", ""),
                **body,
            )
        data = {
            "workflow_id": handle.workflow_id,
            "run_id": handle.run_id,
            "workflow_type": handle.workflow_type,
            "created": handle.created,
        }
        return Response(
            plain(data), status.HTTP_201_CREATED if handle.created else status.HTTP_200_OK
        )

    def _require_of_open_run(self, body: dict[str, Any], signal: dict[str, Any]) -> None:
        """Refuse what the start would do to a run that is there, unless the user may do that as well."""
        verbs = []
        if signal["signal"]:
            verbs.append(Verb.SIGNAL)
        if body.get("id_conflict_policy") == IdConflictPolicy.TERMINATE_EXISTING:
            verbs.append(Verb.TERMINATE)
        if not verbs:
            return
        try:
            run = client.get_workflow_handle(body["workflow_id"]).describe()
        except errors.RunNotFound:
            run = None
        for verb in verbs:
            self.require(verb, run)


class Describe(RunView):
    """One run."""

    @extend_schema(
        operation_id="describe_workflow",
        parameters=[RUN_ID],
        responses={200: outputs.Description, 404: outputs.Problem},
    )
    def get(self, request: Request, workflow_id: str) -> Response:
        """Describe a run: its state, what it waits for, its failure."""
        return Response(plain(self.run(workflow_id)[1]))


class History(RunView):
    """The events of a run."""

    @extend_schema(
        operation_id="get_history",
        parameters=[inputs.HistoryQuery],
        responses={200: outputs.History, 404: outputs.Problem},
    )
    def get(self, request: Request, workflow_id: str) -> Response:
        """Give a page of a run's history."""
        query = self.read_query(inputs.HistoryQuery)
        run = self.run(workflow_id)[1]
        handle = client.get_workflow_handle(run.workflow_id, run.run_id)
        limit = query["limit"]
        found = handle.fetch_history(from_seq=query["from_seq"], limit=limit + 1)
        page = found[:limit]
        data = {
            "run_id": run.run_id,
            "events": [
                {
                    "seq": one.seq,
                    "recorded_at": one.recorded_at,
                    "kind": one.kind,
                    "attributes": one.attributes,
                }
                for one in page
            ],
            "next_seq": found[limit].seq if len(found) > limit else None,
        }
        return Response(plain(data))


class Result(RunView):
    """How a run ended."""

    @extend_schema(
        operation_id="get_result",
        parameters=[inputs.ResultQuery],
        responses={200: outputs.Outcome, 202: outputs.Pending, 404: outputs.Problem},
    )
    def get(self, request: Request, workflow_id: str) -> Response:
        """Give the result or the failure of a run, waiting for it a while; 202 when it goes on."""
        wait = self.read_query(inputs.ResultQuery)["wait"]
        run = self.run(workflow_id)[1]
        handle = client.get_workflow_handle(run.workflow_id, run.run_id)
        try:
            result = handle.result(wait, type=Any)
        except errors.ResultTimeout:
            return Response({"status": str(run.status)}, status.HTTP_202_ACCEPTED)
        except errors.WorkflowFailureError as error:
            ended = client.get_workflow_handle(run.workflow_id, error.run_id).describe()
            failure = None if error.cause is None else plain(failure_from(error.cause))
            return Response({"status": str(ended.status), "failure": failure})
        return Response({"status": "completed", "result": result})


@contextmanager
def checked_arguments() -> Iterator[None]:
    """Take a call that does not fit the signature for what it is here: a bad request."""
    try:
        yield
    except TypeError as error:
        if isinstance(error, errors.AionError):
            raise
        raise BadArguments(str(error)) from error

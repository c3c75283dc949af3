"""What ends, halts or repeats a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from aion import client
from aion.access import Verb
from aion.client import WorkflowHandle
from aion.core.plain import plain
from aion_api import inputs, outputs
from aion_api.views.base import RunView
from aion_api.views.workflows import RUN_ID


class _Lifecycle(RunView):
    """A verb that changes the course of a run."""

    body: ClassVar[type[serializers.Serializer[Any]]] = inputs.Reason

    def act(self, handle: WorkflowHandle, **body: Any) -> WorkflowHandle | None:
        """Do it; give the handle of the run that came of it, if it is another one."""
        raise NotImplementedError

    def carry_out(self, workflow_id: str) -> Response:
        """Do it to the run, and say which that was."""
        body = self.read(self.body)
        handle, seen = self.run(workflow_id)
        new = self.act(handle, **body)
        run_id = (new or handle).run_id or seen.run_id
        after = client.get_workflow_handle(workflow_id, run_id).describe()
        data = {"workflow_id": after.workflow_id, "run_id": after.run_id, "status": after.status}
        return Response(plain(data), status.HTTP_200_OK)


F = TypeVar("F", bound=Callable[..., Any])


def _documented(
    name: str, request: type[serializers.Serializer[Any]] = inputs.Reason
) -> Callable[[F], F]:
    return extend_schema(
        operation_id=f"{name}_workflow",
        parameters=[RUN_ID],
        request=request,
        responses={200: outputs.Done, 404: outputs.Problem, 409: outputs.Problem},
    )


class Cancel(_Lifecycle):
    """Ask a run to cancel itself; it may clean up first."""

    verb = Verb.CANCEL

    @_documented("cancel")
    def post(self, request: Request, workflow_id: str) -> Response:
        """Ask a run to cancel itself; it may clean up first."""
        return self.carry_out(workflow_id)

    def act(self, handle: WorkflowHandle, **body: Any) -> None:
        """Do it."""
        handle.cancel(body["reason"])


class Terminate(_Lifecycle):
    """End a run at once, without running its code."""

    verb = Verb.TERMINATE

    @_documented("terminate")
    def post(self, request: Request, workflow_id: str) -> Response:
        """End a run at once, without running its code."""
        return self.carry_out(workflow_id)

    def act(self, handle: WorkflowHandle, **body: Any) -> None:
        """Do it."""
        handle.terminate(body["reason"])


class Pause(_Lifecycle):
    """Let a run make no further turn until it is resumed."""

    verb = Verb.PAUSE

    @_documented("pause")
    def post(self, request: Request, workflow_id: str) -> Response:
        """Let a run make no further turn until it is resumed."""
        return self.carry_out(workflow_id)

    def act(self, handle: WorkflowHandle, **body: Any) -> None:
        """Do it."""
        handle.pause(body["reason"])


class Resume(_Lifecycle):
    """Let a paused run go on with what has waited for it."""

    verb = Verb.RESUME

    @_documented("resume")
    def post(self, request: Request, workflow_id: str) -> Response:
        """Let a paused run go on with what has waited for it."""
        return self.carry_out(workflow_id)

    def act(self, handle: WorkflowHandle, **body: Any) -> None:
        """Do it."""
        handle.resume(body["reason"])


class Reopen(_Lifecycle):
    """Let a failed, cancelled, timed out or terminated run go on from before its failure."""

    verb = Verb.REOPEN

    @_documented("reopen")
    def post(self, request: Request, workflow_id: str) -> Response:
        """Let a failed, cancelled, timed out or terminated run go on from before its failure."""
        return self.carry_out(workflow_id)

    def act(self, handle: WorkflowHandle, **body: Any) -> None:
        """Do it."""
        handle.reopen(body["reason"])


class Release(_Lifecycle):
    """Let a held run try again now."""

    verb = Verb.RELEASE
    body = inputs.Nothing

    @_documented("release", inputs.Nothing)
    def post(self, request: Request, workflow_id: str) -> Response:
        """Let a held run try again now, with the code that the workers have."""
        return self.carry_out(workflow_id)

    def act(self, handle: WorkflowHandle, **body: Any) -> None:
        """Do it."""
        handle.release()


class Reset(_Lifecycle):
    """Go on from an event of a run's history, as a new run."""

    verb = Verb.RESET
    body = inputs.Reset

    @_documented("reset", inputs.Reset)
    def post(self, request: Request, workflow_id: str) -> Response:
        """Go on from an event of a run's history, as a new run of the same workflow id."""
        return self.carry_out(workflow_id)

    def act(self, handle: WorkflowHandle, **body: Any) -> WorkflowHandle:
        """Do it."""
        return handle.reset(body["to_seq"], body["reason"], reapply_signals=body["reapply_signals"])

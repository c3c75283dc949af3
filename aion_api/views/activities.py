"""Single activities: operated by their ids, or given their outcome by their token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from aion import ApplicationError, client
from aion.access import Verb
from aion.client import ActivityHandle
from aion.core.plain import plain
from aion_api import inputs, outputs
from aion_api.views.base import AionView, RunView
from aion_api.views.workflows import RUN_ID


class _Operation(RunView):
    """Something done to a pending activity of a run."""

    verb = Verb.OPERATE_ACTIVITY
    body: ClassVar[type[serializers.Serializer[Any]]] = inputs.Nothing

    def act(self, activity: ActivityHandle, body: dict[str, Any], by: str) -> None:
        """Do it."""
        raise NotImplementedError

    def carry_out(self, workflow_id: str, activity_id: str) -> Response:
        """Do it to the activity, and say which that was."""
        body = self.read(self.body)
        handle, run = self.run(workflow_id)
        self.act(handle.activity(activity_id), body, self.request.user.get_username())
        return Response(
            plain(
                {
                    "workflow_id": run.workflow_id,
                    "run_id": handle.run_id or run.run_id,
                    "activity_id": activity_id,
                }
            )
        )


F = TypeVar("F", bound=Callable[..., Any])


def _documented(name: str, request: type[serializers.Serializer[Any]]) -> Callable[[F], F]:
    return extend_schema(
        operation_id=f"{name}_activity",
        parameters=[RUN_ID],
        request=request,
        responses={200: outputs.Operated, 404: outputs.Problem, 409: outputs.Problem},
    )


class Pause(_Operation):
    """Let an activity not be begun."""

    body = inputs.PauseActivity

    @_documented("pause", inputs.PauseActivity)
    def post(self, request: Request, workflow_id: str, activity_id: str) -> Response:
        """Let an activity not be begun until it is unpaused; a running attempt is told."""
        return self.carry_out(workflow_id, activity_id)

    def act(self, activity: ActivityHandle, body: dict[str, Any], by: str) -> None:
        """Do it."""
        activity.pause(body["reason"], by=by)


class Unpause(_Operation):
    """Let a paused activity go on."""

    body = inputs.UnpauseActivity

    @_documented("unpause", inputs.UnpauseActivity)
    def post(self, request: Request, workflow_id: str, activity_id: str) -> Response:
        """Let a paused activity go on."""
        return self.carry_out(workflow_id, activity_id)

    def act(self, activity: ActivityHandle, body: dict[str, Any], by: str) -> None:
        """Do it."""
        activity.unpause(**body)


class Reset(_Operation):
    """Begin an activity at its first attempt again."""

    body = inputs.ResetActivity

    @_documented("reset", inputs.ResetActivity)
    def post(self, request: Request, workflow_id: str, activity_id: str) -> Response:
        """Begin an activity at its first attempt again."""
        return self.carry_out(workflow_id, activity_id)

    def act(self, activity: ActivityHandle, body: dict[str, Any], by: str) -> None:
        """Do it."""
        activity.reset(**body)


class Retry(_Operation):
    """End the wait for an activity's next attempt."""

    @_documented("retry", inputs.Nothing)
    def post(self, request: Request, workflow_id: str, activity_id: str) -> Response:
        """End the wait for the next attempt."""
        return self.carry_out(workflow_id, activity_id)

    def act(self, activity: ActivityHandle, body: dict[str, Any], by: str) -> None:
        """Do it."""
        activity.retry_now()


class Complete(_Operation):
    """Give an activity its result."""

    body = inputs.CompleteActivity

    @_documented("complete", inputs.CompleteActivity)
    def post(self, request: Request, workflow_id: str, activity_id: str) -> Response:
        """Give an activity its result by hand; a running attempt loses its lease."""
        return self.carry_out(workflow_id, activity_id)

    def act(self, activity: ActivityHandle, body: dict[str, Any], by: str) -> None:
        """Do it."""
        activity.complete(body["result"], reason=body["reason"], by=by)


class Fail(_Operation):
    """Fail an activity for good."""

    body = inputs.FailActivity

    @_documented("fail", inputs.FailActivity)
    def post(self, request: Request, workflow_id: str, activity_id: str) -> Response:
        """Fail an activity for good by hand, whatever its retry policy."""
        return self.carry_out(workflow_id, activity_id)

    def act(self, activity: ActivityHandle, body: dict[str, Any], by: str) -> None:
        """Do it."""
        error = ApplicationError(body["message"], *body["details"], type=body["type"])
        activity.fail(error, reason=body["reason"], by=by)


class CompleteByToken(AionView):
    """Give an attempt its result, by its token."""

    verb = Verb.OPERATE_ACTIVITY

    @extend_schema(
        operation_id="complete_activity_by_token",
        request=inputs.CompleteToken,
        responses={204: None, 400: outputs.Problem, 404: outputs.Problem},
    )
    def post(self, request: Request) -> Response:
        """Give an activity its result. 404 when it has its outcome, or a later attempt has begun."""
        body = self.read(inputs.CompleteToken)
        client.complete_activity(body["token"], body["result"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class FailByToken(AionView):
    """Fail an attempt, by its token."""

    verb = Verb.OPERATE_ACTIVITY

    @extend_schema(
        operation_id="fail_activity_by_token",
        request=inputs.FailToken,
        responses={200: outputs.Failed, 400: outputs.Problem, 404: outputs.Problem},
    )
    def post(self, request: Request) -> Response:
        """Fail an attempt; `will_retry` says whether the retry policy allows another."""
        body = self.read(inputs.FailToken)
        error = ApplicationError(
            body["message"],
            *body["details"],
            type=body["type"],
            non_retryable=body["non_retryable"],
        )
        return Response({"will_retry": client.fail_activity(body["token"], error)})


class HeartbeatByToken(AionView):
    """Report life of an attempt, by its token."""

    verb = Verb.OPERATE_ACTIVITY

    @extend_schema(
        operation_id="heartbeat_activity_by_token",
        request=inputs.HeartbeatToken,
        responses={200: outputs.Heartbeat, 400: outputs.Problem, 404: outputs.Problem},
    )
    def post(self, request: Request) -> Response:
        """Report life of an activity; `stop_reason` says why it should stop, or null."""
        body = self.read(inputs.HeartbeatToken)
        reason = client.heartbeat_activity(body["token"], *body["details"])
        return Response({"stop_reason": reason})

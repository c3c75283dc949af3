"""Schedules: list, make, look at, change and remove them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from aion import client
from aion.access import Verb
from aion.client import ScheduleConfig
from aion.core.plain import plain
from aion_api import outputs
from aion_api import schedule_inputs as inputs
from aion_api.views.base import AionView
from aion_api.views.workflows import IDEMPOTENCY_KEY, checked_arguments

_CONFIG = ("overlap", "catch_up", "catch_up_window", "pause_on_failure")


def described(schedule_id: str, number: int = status.HTTP_200_OK) -> Response:
    """Answer with what a schedule is now."""
    return Response(plain(client.get_schedule_handle(schedule_id).describe()), number)


class Schedules(AionView):
    """Schedules: list them, create one."""

    verb = Verb.CREATE_SCHEDULE
    verbs: ClassVar[Mapping[str, Verb]] = {"GET": Verb.VIEW_SCHEDULE}

    @extend_schema(
        operation_id="list_schedules",
        parameters=[inputs.ScheduleQuery],
        responses={200: outputs.Schedules, 400: outputs.Problem},
    )
    def get(self, request: Request) -> Response:
        """List schedules in the order of their ids, a page at a time."""
        asked = self.read_query(inputs.ScheduleQuery)
        limit = asked["limit"]
        found = client.list_schedules(
            after=asked["after"],
            limit=limit + 1,
            paused=asked["paused"],
            workflow_type=asked["type"],
        )
        page = found[:limit]
        following = page[-1].schedule_id if len(found) > limit else None
        return Response(plain({"schedules": page, "next_after": following}))

    @extend_schema(
        operation_id="create_schedule",
        parameters=[IDEMPOTENCY_KEY],
        request=inputs.CreateSchedule,
        responses={201: outputs.Schedule, 200: outputs.Schedule, 409: outputs.Problem},
    )
    def post(self, request: Request) -> Response:
        """Create a schedule. 201, or 200 when a request with this idempotency key did before."""
        body = self.read(inputs.CreateSchedule)
        if body["trigger_immediately"]:
            self.require(Verb.TRIGGER_SCHEDULE)
        action = body.pop("action")
        schedule_id = body.pop("schedule_id")
        with checked_arguments():
            handle = client.create_schedule(
                schedule_id,
                action.pop("workflow_type"),
                *action.pop("args"),
                **action,
                **body,
                request_id=request.headers.get("Idempotency-Key", ""),
            )
        return described(schedule_id, status.HTTP_201_CREATED if handle.created else 200)


class Schedule(AionView):
    """One schedule."""

    verbs: ClassVar[Mapping[str, Verb]] = {
        "PATCH": Verb.UPDATE_SCHEDULE,
        "DELETE": Verb.DELETE_SCHEDULE,
    }
    verb = Verb.VIEW_SCHEDULE

    @extend_schema(
        operation_id="describe_schedule",
        responses={200: outputs.Schedule, 404: outputs.Problem},
    )
    def get(self, request: Request, schedule_id: str) -> Response:
        """Describe a schedule: what it is told, its next times, its last runs, its token."""
        return described(schedule_id)

    @extend_schema(
        operation_id="update_schedule",
        parameters=[IDEMPOTENCY_KEY],
        request=inputs.UpdateSchedule,
        responses={200: outputs.Schedule, 404: outputs.Problem, 409: outputs.Problem},
    )
    def patch(self, request: Request, schedule_id: str) -> Response:
        """Tell a schedule something else. 409 when it has changed since the `token`."""
        body = self.read(inputs.UpdateSchedule)
        changes = {name: body[name] for name in ("spec", *_CONFIG) if name in body}
        if "action" in body:
            with checked_arguments():
                changes["action"] = inputs.action_of(body["action"])
        options: dict[str, Any] = {
            name: body[name] for name in ("remaining_actions", "token") if name in body
        }

        def change(config: ScheduleConfig) -> ScheduleConfig:
            return config.replace(**changes)

        client.get_schedule_handle(schedule_id).update(
            change, **options, request_id=request.headers.get("Idempotency-Key", "")
        )
        return described(schedule_id)

    @extend_schema(
        operation_id="delete_schedule",
        parameters=[inputs.DeleteQuery],
        responses={204: None, 404: outputs.Problem},
    )
    def delete(self, request: Request, schedule_id: str) -> Response:
        """Delete a schedule. Runs that it started go on; what waited in its buffer does not start."""
        reason = self.read_query(inputs.DeleteQuery)["reason"]
        client.get_schedule_handle(schedule_id).delete(reason)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Pause(AionView):
    """Let a schedule not fire."""

    verb = Verb.PAUSE_SCHEDULE

    @extend_schema(
        operation_id="pause_schedule",
        parameters=[IDEMPOTENCY_KEY],
        request=inputs.Note,
        responses={200: outputs.Schedule, 404: outputs.Problem, 409: outputs.Problem},
    )
    def post(self, request: Request, schedule_id: str) -> Response:
        """Let no time fire until the schedule is resumed. It can still be triggered."""
        note = self.read(inputs.Note)["note"]
        key = request.headers.get("Idempotency-Key", "")
        client.get_schedule_handle(schedule_id).pause(note, request_id=key)
        return described(schedule_id)


class Resume(AionView):
    """Let a schedule fire again."""

    verb = Verb.RESUME_SCHEDULE

    @extend_schema(
        operation_id="resume_schedule",
        parameters=[IDEMPOTENCY_KEY],
        request=inputs.Note,
        responses={200: outputs.Schedule, 404: outputs.Problem, 409: outputs.Problem},
    )
    def post(self, request: Request, schedule_id: str) -> Response:
        """Let times fire again, those from now on."""
        note = self.read(inputs.Note)["note"]
        key = request.headers.get("Idempotency-Key", "")
        client.get_schedule_handle(schedule_id).resume(note, request_id=key)
        return described(schedule_id)


class Trigger(AionView):
    """Fire a schedule."""

    verb = Verb.TRIGGER_SCHEDULE

    @extend_schema(
        operation_id="trigger_schedule",
        parameters=[IDEMPOTENCY_KEY],
        request=inputs.Trigger,
        responses={200: outputs.Firing, 404: outputs.Problem},
    )
    def post(self, request: Request, schedule_id: str) -> Response:
        """Fire now, also a paused schedule; `state` says what came of it."""
        overlap = self.read(inputs.Trigger).get("overlap")
        key = request.headers.get("Idempotency-Key", "")
        firing = client.get_schedule_handle(schedule_id).trigger(overlap, request_id=key)
        return Response(plain(firing))


class Backfill(AionView):
    """Fire times of the past."""

    verb = Verb.BACKFILL_SCHEDULE

    @extend_schema(
        operation_id="backfill_schedule",
        parameters=[IDEMPOTENCY_KEY],
        request=inputs.Backfill,
        responses={200: outputs.Backfilled, 400: outputs.Problem, 404: outputs.Problem},
    )
    def post(self, request: Request, schedule_id: str) -> Response:
        """Fire the times from `start_at` to `end_at` that have started nothing, within the next ticks."""
        body = self.read(inputs.Backfill)
        key = request.headers.get("Idempotency-Key", "")
        count = client.get_schedule_handle(schedule_id).backfill(
            body["start_at"], body["end_at"], body.get("overlap"), request_id=key
        )
        return Response({"count": count})

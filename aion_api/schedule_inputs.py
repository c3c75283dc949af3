"""What callers send about schedules."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from aion import client
from aion.client import Calendar, CatchUp, Interval, OverlapPolicy, ScheduleSpec
from aion.core.errors import InvalidArgument
from aion_api.inputs import Action, Strict, Text

_MOST_ENTRIES = 100
_MOST_DATES = 1_000


def _crons(what: str) -> serializers.ListField:
    return serializers.ListField(
        child=Text(max_length=255),
        required=False,
        max_length=_MOST_ENTRIES,
        help_text=what,
    )


class IntervalInput(Strict):
    """Every so many seconds from the Unix epoch, and an offset."""

    every = serializers.DurationField()
    offset = serializers.DurationField(required=False)

    def validate(self, attrs: dict[str, Any]) -> Any:
        """Make the interval."""
        return _made(Interval, attrs)


class CalendarInput(Strict):
    """The times whose parts all fit; each is written as in a cron, `year` as `2026,2030-2040/2`."""

    second = Text(max_length=255, required=False, help_text="0 unless given")
    minute = Text(max_length=255, required=False, help_text="0 unless given")
    hour = Text(max_length=255, required=False, help_text="0 unless given")
    day_of_month = Text(max_length=255, required=False)
    month = Text(max_length=255, required=False)
    day_of_week = Text(max_length=255, required=False, help_text="must fit beside day_of_month")
    year = Text(max_length=255, required=False)
    comment = Text(max_length=255, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> Any:
        """Make the calendar."""
        return _made(Calendar, attrs)


class Spec(Strict):
    """When a schedule fires: the times of all its sources together; durations are seconds."""

    crons = _crons("cron expressions")
    intervals = serializers.ListField(
        child=IntervalInput(), required=False, max_length=_MOST_ENTRIES
    )
    calendars = serializers.ListField(
        child=CalendarInput(), required=False, max_length=_MOST_ENTRIES
    )
    time_zone = Text(max_length=255, required=False)
    skip = _crons("crons whose times are left out")
    skip_dates = serializers.ListField(
        child=serializers.DateField(), required=False, max_length=_MOST_DATES
    )
    start_at = serializers.DateTimeField(required=False, allow_null=True)
    end_at = serializers.DateTimeField(required=False, allow_null=True)
    jitter = serializers.DurationField(required=False)

    def validate(self, attrs: dict[str, Any]) -> Any:
        """Make the spec."""
        lists = ("crons", "intervals", "calendars", "skip", "skip_dates")
        return _made(ScheduleSpec, {k: tuple(v) if k in lists else v for k, v in attrs.items()})


def _made(kind: Any, fields: dict[str, Any]) -> Any:
    try:
        return kind(**fields)
    except InvalidArgument as error:
        raise serializers.ValidationError(str(error)) from error


class ScheduledAction(Action):
    """What a schedule starts. `workflow_id` is a template: `{schedule_id}` and `{time}` stand for theirs."""

    def validate(self, attrs: dict[str, Any]) -> Any:
        """Leave the default template to the client."""
        return {k: v for k, v in attrs.items() if k != "workflow_id" or v}


class _Policies(Strict):
    overlap = serializers.ChoiceField([each.value for each in OverlapPolicy], required=False)
    catch_up = serializers.ChoiceField([each.value for each in CatchUp], required=False)
    catch_up_window = serializers.DurationField(required=False)
    pause_on_failure = serializers.BooleanField(required=False)
    remaining_actions = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, help_text="null: without end"
    )


class CreateSchedule(_Policies):
    """A schedule."""

    schedule_id = Text(max_length=255)
    spec = Spec()
    action = ScheduledAction()
    paused = serializers.BooleanField(default=False)
    note = Text(max_length=255, allow_blank=True, default="")
    trigger_immediately = serializers.BooleanField(default=False)


class UpdateSchedule(_Policies):
    """What a schedule is told instead; what is not given stays.

    With the `token` of a description nothing is changed when somebody else has done so since.
    """

    spec = Spec(required=False)
    action = ScheduledAction(required=False)
    token = serializers.IntegerField(required=False, min_value=0)


class Note(Strict):
    """Why; the schedule shows it."""

    note = Text(max_length=255, allow_blank=True, default="")


class Trigger(Strict):
    """How to fire; `overlap` replaces the schedule's policy this once."""

    overlap = serializers.ChoiceField([each.value for each in OverlapPolicy], required=False)


class Backfill(Trigger):
    """Which times of the past to fire, both ends included."""

    start_at = serializers.DateTimeField()
    end_at = serializers.DateTimeField()


class ScheduleQuery(serializers.Serializer[Any]):
    """A page of the schedules, in the order of their ids."""

    after = Text(max_length=255, default="", allow_blank=True)
    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)
    paused = serializers.BooleanField(allow_null=True, default=None)
    type = Text(max_length=255, default="", allow_blank=True, help_text="a workflow type")


class DeleteQuery(serializers.Serializer[Any]):
    """Why a schedule is deleted."""

    reason = Text(max_length=2_000, default="", allow_blank=True)


def action_of(body: dict[str, Any]) -> client.ScheduleAction:
    """Make the action that a body describes.

    Raises:
        AionError: the workflow is unknown, or an option cannot be used.
        TypeError: the arguments do not fit the workflow.
    """
    given = dict(body)
    return client.schedule_action(given.pop("workflow_type"), *given.pop("args"), **given)

"""What callers get: described for the OpenAPI document, and made from the client's records."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import types
import typing
import uuid
from typing import Any, Final

from rest_framework import serializers

from aion.authoring.handler_descriptions import HandlerDescription
from aion.client import (
    BulkResult,
    RegisteredAttribute,
    RunDescription,
    ScheduleDescription,
    ScheduleFiring,
    ScheduleSummary,
    WorkerInfo,
    WorkflowSummary,
)

_FIELDS: Final[dict[Any, type[serializers.Field[Any, Any, Any, Any]]]] = {
    str: serializers.CharField,
    int: serializers.IntegerField,
    float: serializers.FloatField,
    bool: serializers.BooleanField,
    uuid.UUID: serializers.UUIDField,
    dt.datetime: serializers.DateTimeField,
    dt.timedelta: serializers.CharField,
}


@functools.cache
def serializer_of(record: type[Any], name: str) -> type[serializers.Serializer[Any]]:
    """Make the serializer class that describes a dataclass, from its annotations."""
    hints = typing.get_type_hints(record)
    fields = {field.name: _field(hints[field.name]) for field in dataclasses.fields(record)}
    body = {**fields, "__doc__": (record.__doc__ or "").partition("\n")[0]}
    return type(name, (serializers.Serializer,), body)


def _field(hint: Any, **options: Any) -> serializers.Field[Any, Any, Any, Any]:
    # Options go to the constructor: DRF copies a declared field by calling it again.
    arguments = typing.get_args(hint)
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        inner = [each for each in arguments if each is not type(None)]
        if len(inner) == 1 and len(inner) < len(arguments):
            return _field(inner[0], allow_null=True)
        return serializers.JSONField(**options)
    if typing.get_origin(hint) in (list, tuple) and arguments:
        return serializers.ListField(child=_field(arguments[0]), **options)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return serializer_of(hint, hint.__name__)(**options)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return serializers.ChoiceField([member.value for member in hint], **options)
    return _FIELDS.get(hint, serializers.JSONField)(**options)


Description = serializer_of(RunDescription, "Run")
BatchReport = serializer_of(BulkResult, "BatchReport")


class Runs(serializers.Serializer[Any]):
    """A page of a list of runs."""

    runs = serializer_of(WorkflowSummary, "RunSummary")(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class Group(serializers.Serializer[Any]):
    """A count, up to a cap."""

    count = serializers.IntegerField()
    is_capped = serializers.BooleanField(help_text="there are more")


class Count(Group):
    """How many runs there are."""

    groups = serializers.DictField(child=Group())


class Started(serializers.Serializer[Any]):
    """The run that a start led to."""

    workflow_id = serializers.CharField()
    run_id = serializers.UUIDField()
    workflow_type = serializers.CharField()
    created = serializers.BooleanField(help_text="false when it was there before")


class Done(serializers.Serializer[Any]):
    """The run that something was done to."""

    workflow_id = serializers.CharField()
    run_id = serializers.UUIDField()
    status = serializers.CharField()


class Answer(serializers.Serializer[Any]):
    """What a query or an update gave."""

    result = serializers.JSONField(allow_null=True)


class Pending(serializers.Serializer[Any]):
    """An answer that is not there yet."""

    status = serializers.CharField()
    update_id = serializers.CharField(required=False)


class Outcome(serializers.Serializer[Any]):
    """How a run ended."""

    status = serializers.CharField()
    result = serializers.JSONField(allow_null=True, required=False)
    failure = serializers.JSONField(allow_null=True, required=False)


class HistoryEvent(serializers.Serializer[Any]):
    """A fact of a run."""

    seq = serializers.IntegerField()
    recorded_at = serializers.DateTimeField()
    kind = serializers.CharField()
    attributes = serializers.DictField(child=serializers.JSONField(allow_null=True))


class History(serializers.Serializer[Any]):
    """A page of a history."""

    run_id = serializers.UUIDField()
    events = HistoryEvent(many=True)
    next_seq = serializers.IntegerField(
        allow_null=True, help_text="where the next page begins; null at the end"
    )


class Problem(serializers.Serializer[Any]):
    """An error (RFC 9457). `code` is stable; more members may stand beside it."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()


Schedule = serializer_of(ScheduleDescription, "Schedule")
Firing = serializer_of(ScheduleFiring, "ScheduleFiring")
SearchAttribute = serializer_of(RegisteredAttribute, "SearchAttribute")


class Schedules(serializers.Serializer[Any]):
    """A page of schedules."""

    schedules = serializer_of(ScheduleSummary, "ScheduleSummary")(many=True)
    next_after = serializers.CharField(allow_null=True, help_text="`after` of the next page")


class Backfilled(serializers.Serializer[Any]):
    """How many times were asked for."""

    count = serializers.IntegerField()


class SearchAttributes(serializers.Serializer[Any]):
    """What is registered, by name."""

    search_attributes = SearchAttribute(many=True)


class Workers(serializers.Serializer[Any]):
    """The workers that are known."""

    workers = serializer_of(WorkerInfo, "Worker")(many=True)


class WorkflowTypes(serializers.Serializer[Any]):
    """The workflow types that this process has."""

    workflow_types = serializers.ListField(child=serializers.CharField())


class WorkflowType(serializers.Serializer[Any]):
    """A workflow type, and what its runs understand."""

    workflow_type = serializers.CharField()
    handlers = serializer_of(HandlerDescription, "Handler")(many=True)


class Operated(serializers.Serializer[Any]):
    """The activity that something was done to."""

    workflow_id = serializers.CharField()
    run_id = serializers.UUIDField()
    activity_id = serializers.CharField()


class Failed(serializers.Serializer[Any]):
    """What came of a failed attempt."""

    will_retry = serializers.BooleanField()


class Heartbeat(serializers.Serializer[Any]):
    """What an activity should know."""

    stop_reason = serializers.CharField(allow_null=True, help_text="why it should stop; or null")

"""What callers send: bodies and query parameters, checked before anything is done."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers

from aion.client import IdConflictPolicy, IdReusePolicy

LONGEST_WAIT: Final = 30.0
"""Seconds that a request may wait for a result: below what proxies allow."""

MOST_EVENTS: Final = 1_000


class Strict(serializers.Serializer[Any]):
    """A body without unknown names: a misspelled option is an error and not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse names that mean nothing here."""
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                known = ", ".join(sorted(self.fields))
                raise serializers.ValidationError(
                    {unknown[0]: [f"is unknown here. Known are: {known}"]}
                )
        return super().to_internal_value(data)


class Arguments(Strict):
    """Arguments for workflow code, as JSON values."""

    args = serializers.ListField(child=serializers.JSONField(), default=list)
    kwargs = serializers.DictField(child=serializers.JSONField(), default=dict)


class Start(Arguments):
    """A start of a workflow; durations are seconds."""

    workflow_type = serializers.CharField(max_length=255)
    workflow_id = serializers.CharField(max_length=255, default="")
    task_queue = serializers.CharField(max_length=255, default="")
    id_reuse_policy = serializers.ChoiceField([p.value for p in IdReusePolicy], required=False)
    id_conflict_policy = serializers.ChoiceField(
        [p.value for p in IdConflictPolicy], required=False
    )
    start_delay = serializers.DurationField(required=False)
    execution_timeout = serializers.DurationField(required=False)
    run_timeout = serializers.DurationField(required=False)
    memo = serializers.DictField(child=serializers.JSONField(), required=False)
    search_attributes = serializers.DictField(child=serializers.JSONField(), required=False)


class Signal(Arguments):
    """A signal; a `request_id` that was taken before changes nothing."""

    request_id = serializers.CharField(max_length=255, default="")


class Update(Arguments):
    """An update; `wait` seconds for the answer."""

    update_id = serializers.CharField(max_length=255, default="")
    wait = serializers.FloatField(min_value=0, max_value=LONGEST_WAIT, default=10.0)


class Reason(Strict):
    """Why; history keeps it."""

    reason = serializers.CharField(max_length=2_000, allow_blank=True, default="")


class Reset(Reason):
    """Where to go on."""

    to_seq = serializers.IntegerField(min_value=1)
    reapply_signals = serializers.BooleanField(default=True)


class Nothing(Strict):
    """An empty body."""


class ResultQuery(serializers.Serializer[Any]):
    """How long to wait for a result."""

    wait = serializers.FloatField(min_value=0, max_value=LONGEST_WAIT, default=0.0)
    run_id = serializers.UUIDField(required=False, help_text="this run, not the open or newest")


class HistoryQuery(serializers.Serializer[Any]):
    """Which part of a history."""

    from_seq = serializers.IntegerField(min_value=1, default=1)
    limit = serializers.IntegerField(min_value=1, max_value=MOST_EVENTS, default=200)
    run_id = serializers.UUIDField(required=False, help_text="this run, not the open or newest")

"""What callers send: bodies and query parameters, checked before anything is done."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers

from aion.client import AttributeKind, IdConflictPolicy, IdReusePolicy
from aion.core.priority import FIRST, LAST
from aion.core.retry import RetryPolicy
from aion.core.status import RunStatus

LONGEST_WAIT: Final = 30.0
"""Seconds that a request may wait for a result: below what proxies allow."""

MOST_EVENTS: Final = 1_000
LAST_SEQ: Final = 2**31 - 1
"""What a seq can be at most: more than any history has."""

LARGEST_PAGE: Final = 200
LARGEST_BATCH: Final = 1_000
LONGEST_TEXT: Final = 10_000


class Strict(serializers.Serializer[Any]):
    """A body without unknown names: a misspelled option is an error and not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse names that mean nothing here."""
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                known = ", ".join(sorted(self.fields))
                raise serializers.ValidationError(
                    {unknown[0][:100]: [f"is unknown here. Known are: {known}"]}
                )
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """Text as it was sent: ids and reasons keep the spaces around them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)


def _value(**options: Any) -> serializers.JSONField:
    """Any JSON value: null is one, too."""
    return serializers.JSONField(allow_null=True, **options)


class Arguments(Strict):
    """Arguments for workflow code, as JSON values."""

    args = serializers.ListField(child=_value(), default=list)
    kwargs = serializers.DictField(child=_value(), default=dict)


class Retry(Strict):
    """A retry policy; intervals are seconds."""

    initial_interval = serializers.DurationField(required=False)
    backoff_coefficient = serializers.FloatField(required=False)
    maximum_interval = serializers.DurationField(required=False, allow_null=True)
    maximum_attempts = serializers.IntegerField(
        required=False, min_value=0, max_value=2**31 - 1, help_text="0: without end"
    )
    non_retryable = serializers.ListField(
        child=Text(max_length=255),
        required=False,
        max_length=100,
        help_text="types of failures that are final",
    )
    jitter = serializers.FloatField(required=False)

    def validate(self, attrs: dict[str, Any]) -> Any:
        """Make the policy."""
        try:
            return RetryPolicy(**{**attrs, "non_retryable": tuple(attrs.get("non_retryable", ()))})
        except (ValueError, TypeError) as error:
            raise serializers.ValidationError(str(error)) from error


class Action(Arguments):
    """A workflow, and how its runs are started; durations are seconds."""

    workflow_type = Text(max_length=255)
    workflow_id = Text(max_length=255, default="")
    task_queue = Text(max_length=255, default="")
    execution_timeout = serializers.DurationField(required=False)
    run_timeout = serializers.DurationField(required=False)
    retry = Retry(required=False)
    priority = serializers.IntegerField(
        required=False, min_value=FIRST, max_value=LAST, help_text="1 goes first; 3 is usual"
    )
    memo = serializers.DictField(child=_value(), required=False)
    search_attributes = serializers.DictField(child=_value(), required=False)
    headers = serializers.DictField(child=Text(max_length=1_000), required=False)


class Start(Action):
    """A start of a workflow, alone or together with a signal; durations are seconds."""

    id_reuse_policy = serializers.ChoiceField([p.value for p in IdReusePolicy], required=False)
    id_conflict_policy = serializers.ChoiceField(
        [p.value for p in IdConflictPolicy], required=False
    )
    start_delay = serializers.DurationField(required=False)
    cron = Text(max_length=255, default="")
    time_zone = Text(max_length=255, default="")
    signal = Text(
        max_length=255, default="", help_text="sent to the open run, or to the one started"
    )
    signal_args = serializers.ListField(child=_value(), default=list)
    signal_kwargs = serializers.DictField(child=_value(), default=dict)
    signal_request_id = Text(max_length=255, default="")


class Signal(Arguments):
    """A signal; a `request_id` that was taken before changes nothing."""

    request_id = Text(max_length=255, default="")


class Update(Arguments):
    """An update; `wait` seconds for the answer."""

    update_id = Text(max_length=255, default="")
    wait = serializers.FloatField(min_value=0, max_value=LONGEST_WAIT, default=10.0)


class Reason(Strict):
    """Why; history keeps it."""

    reason = Text(max_length=2_000, allow_blank=True, default="")


class Reset(Reason):
    """Where to go on."""

    to_seq = serializers.IntegerField(min_value=1, max_value=LAST_SEQ)
    reapply_signals = serializers.BooleanField(default=True)


class Nothing(Strict):
    """An empty body."""


class ResultQuery(serializers.Serializer[Any]):
    """How long to wait for a result."""

    wait = serializers.FloatField(min_value=0, max_value=LONGEST_WAIT, default=0.0)
    run_id = serializers.UUIDField(required=False, help_text="this run, not the open or newest")


class HistoryQuery(serializers.Serializer[Any]):
    """Which part of a history."""

    from_seq = serializers.IntegerField(min_value=1, max_value=LAST_SEQ, default=1)
    limit = serializers.IntegerField(min_value=1, max_value=MOST_EVENTS, default=200)
    run_id = serializers.UUIDField(required=False, help_text="this run, not the open or newest")


class Chosen(serializers.Serializer[Any]):
    """Which runs: all that is given must hold."""

    query = Text(max_length=LONGEST_TEXT, default="", allow_blank=True, help_text="a list query")
    search = Text(
        max_length=LONGEST_TEXT, default="", allow_blank=True, help_text="the short form of one"
    )
    type = Text(max_length=255, required=False, allow_blank=True, help_text="a workflow type")
    status = serializers.ListField(
        child=serializers.ChoiceField([status.value for status in RunStatus]),
        required=False,
        max_length=100,
        help_text="a status, or several",
    )


class ListQuery(Chosen):
    """A page of a list of runs."""

    cursor = Text(
        max_length=1_000, default="", allow_blank=True, help_text="`next_cursor` of a page"
    )
    page_size = serializers.IntegerField(min_value=1, max_value=LARGEST_PAGE, default=50)


class CountQuery(Chosen):
    """What to count."""

    group_by = serializers.ChoiceField(["status", "type"], allow_blank=True, default="")


class Batch(Strict):
    """A verb for many runs, in one go of at most `limit`; `cursor` goes on where the last one stopped."""

    verb = serializers.ChoiceField(
        ["cancel", "terminate", "signal", "pause", "resume", "reopen", "release", "reset"]
    )
    query = Text(max_length=LONGEST_TEXT)
    reason = Text(max_length=2_000, allow_blank=True, default="")
    signal = Text(max_length=255, default="", help_text="the signal's name, for that verb")
    args = serializers.ListField(child=_value(), default=list)
    kwargs = serializers.DictField(child=_value(), default=dict)
    to = serializers.ChoiceField(["start", "last"], default="start", help_text="of a reset")
    reapply_signals = serializers.BooleanField(default=True, help_text="of a reset")
    limit = serializers.IntegerField(min_value=1, max_value=LARGEST_BATCH, default=100)
    dry_run = serializers.BooleanField(default=False)
    cursor = Text(max_length=1_000, default="", allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A signal has a name; it and a release have no reason; the other verbs have no signal."""
        if (attrs["verb"] == "signal") != bool(attrs["signal"]):
            raise serializers.ValidationError({"signal": ["belongs to the verb signal, always"]})
        if attrs["verb"] in ("signal", "release") and attrs["reason"]:
            raise serializers.ValidationError({"reason": [f"A {attrs['verb']} has none."]})
        return attrs


class PauseActivity(Reason):
    """Why an activity is paused."""


class UnpauseActivity(Strict):
    """How a paused activity goes on; `jitter` is seconds."""

    reset_attempts = serializers.BooleanField(default=False)
    reset_heartbeat = serializers.BooleanField(default=False)
    jitter = serializers.DurationField(required=False, allow_null=True)


class ResetActivity(Strict):
    """How an activity begins at its first attempt again; `jitter` is seconds."""

    reset_heartbeat = serializers.BooleanField(default=False)
    keep_paused = serializers.BooleanField(default=False)
    jitter = serializers.DurationField(required=False, allow_null=True)


class CompleteActivity(Reason):
    """The result of an activity, given by hand."""

    result = _value(default=None)


class FailActivity(Reason):
    """The failure of an activity, given by hand: final, whatever its retry policy."""

    message = Text(max_length=LONGEST_TEXT)
    type = Text(max_length=255, default="ApplicationError")
    details = serializers.ListField(child=_value(), default=list)


class Token(Strict):
    """The token of an attempt, as `activity.info().task_token` gives it."""

    token = Text(max_length=1_000)


class CompleteToken(Token):
    """The result of an attempt."""

    result = _value(default=None)


class FailToken(Token):
    """The failure of an attempt; the retry policy decides about another."""

    message = Text(max_length=LONGEST_TEXT)
    type = Text(max_length=255, default="ApplicationError")
    details = serializers.ListField(child=_value(), default=list)
    non_retryable = serializers.BooleanField(default=False)


class HeartbeatToken(Token):
    """A sign of life."""

    details = serializers.ListField(child=_value(), default=list)


class NewSearchAttribute(Strict):
    """A search attribute."""

    name = serializers.RegexField(
        r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64, help_text="a letter, then letters, digits or _"
    )
    kind = serializers.ChoiceField([kind.value for kind in AttributeKind])

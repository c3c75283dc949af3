"""Runs, their histories, and what waits for them: messages and timers.

The links between these tables carry no database constraint: only the store writes them, in the same
transaction, and a constraint would cost a look-up for each row of the hottest inserts.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from aion.core.ids import uuid7
from aion.core.priority import DEFAULT, LEAD
from aion.core.status import RunStatus
from aion.models.append_only import AppendOnly, AppendOnlyQuerySet


def status_choices() -> list[tuple[str, str]]:
    """Give the statuses with their labels."""
    return [(status.value, status.value.replace("_", " ").capitalize()) for status in RunStatus]


class Run(models.Model):
    """One execution of a workflow. All but its identity is a projection of its history."""

    id = models.UUIDField(_("run id"), primary_key=True, default=uuid7, editable=False)
    workflow_id = models.CharField(_("workflow id"), max_length=255)
    workflow_type = models.CharField(_("workflow type"), max_length=255)
    definition_hash = models.CharField(max_length=64, blank=True, default="")
    behaviour_version = models.PositiveSmallIntegerField(default=1)
    task_queue = models.CharField(_("task queue"), max_length=255, default="default")
    status = models.CharField(_("status"), max_length=20, choices=status_choices)
    head_seq = models.PositiveIntegerField(default=0)  # the seq of the last event
    first_seq = models.PositiveIntegerField(
        default=1
    )  # the seq of this run's first event in the chain
    history_bytes = models.PositiveBigIntegerField(default=0)
    started_at = models.DateTimeField(_("started at"))
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    request_id = models.CharField(max_length=255, blank=True, default="")
    parent_run_id = models.UUIDField(null=True, blank=True)
    parent_close_policy = models.CharField(max_length=20, blank=True, default="")
    root_run_id = models.UUIDField(null=True, blank=True)
    continued_from_run_id = models.UUIDField(null=True, blank=True)
    chain_position = models.PositiveIntegerField(default=0)
    owner_id = models.UUIDField(null=True, blank=True)  # the worker with local activities in flight
    search_attributes = models.JSONField(default=dict, blank=True)
    memo = models.TextField(default="{}")
    result = models.TextField(null=True, blank=True)  # noqa: DJ001  # JSON; no result is not an empty one
    failure = models.TextField(null=True, blank=True)  # noqa: DJ001
    problem = models.TextField(null=True, blank=True)  # noqa: DJ001  # why the run is held, as JSON
    problem_count = models.PositiveIntegerField(default=0)
    held_until = models.DateTimeField(null=True, blank=True)
    imported_at = models.DateTimeField(null=True, blank=True)  # a copy of a history from elsewhere
    limited = models.BooleanField(
        default=False, db_default=False
    )  # its type has a limit of open runs
    priority = models.PositiveSmallIntegerField(_("priority"), default=DEFAULT, db_default=DEFAULT)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        default_permissions = ("view",)  # nobody edits a projection; each verb has its own
        permissions = (
            ("start_run", _("Can start workflows")),
            ("signal_run", _("Can signal runs")),
            ("query_run", _("Can query runs")),
            ("update_run", _("Can send updates to runs")),
            ("cancel_run", _("Can cancel runs")),
            ("terminate_run", _("Can terminate runs")),
            ("pause_run", _("Can pause runs")),
            ("resume_run", _("Can resume runs")),
            ("release_run", _("Can release held runs")),
            ("reopen_run", _("Can reopen runs")),
            ("reset_run", _("Can reset runs")),
            ("operate_activity", _("Can pause, retry and complete activities")),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["workflow_id"],
                condition=Q(closed_at__isnull=True),
                name="aion_run_one_open",
            ),
            models.UniqueConstraint(
                fields=["continued_from_run_id"],
                condition=Q(continued_from_run_id__isnull=False),
                name="aion_run_one_successor",
            ),
        )
        indexes = (
            # In the order of bytes, for prefixes too; and what lists are ordered by.
            models.Index(
                fields=["workflow_id", "-started_at"],
                name="aion_run_by_workflow",
                opclasses=["varchar_pattern_ops", "timestamptz_ops"],
            ),
            models.Index(fields=["-started_at", "-id"], name="aion_run_newest"),
            # Status and time of close change at closes, pauses and reopenings only, and the unique index
            # above has the time of close anyway: the update of a turn is still a HOT update.
            models.Index(fields=["status", "-started_at", "-id"], name="aion_run_by_status"),
            models.Index(fields=["workflow_type", "-started_at", "-id"], name="aion_run_by_type"),
            models.Index(fields=["-closed_at", "-id"], name="aion_run_closed"),
            models.Index(
                fields=["root_run_id"],
                name="aion_run_descendants",
                condition=~Q(root_run_id=models.F("id")),
            ),
            models.Index(
                fields=["owner_id"], name="aion_run_owner", condition=Q(owner_id__isnull=False)
            ),
            models.Index(
                fields=["held_until"], name="aion_run_held", condition=Q(held_until__isnull=False)
            ),
            models.Index(
                fields=["workflow_type"],
                name="aion_run_limited",
                condition=Q(limited=True, closed_at__isnull=True),
            ),
            models.Index(
                fields=["parent_run_id"],
                name="aion_run_children",
                condition=Q(parent_run_id__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.workflow_id} ({self.status})"


class Event(AppendOnly, models.Model):
    """A fact of a run. Written once by the store; the ORM refuses to change or delete one."""

    pk = models.CompositePrimaryKey("run", "seq")
    run = models.ForeignKey(
        Run, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="events"
    )
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    recorded_at = models.DateTimeField()
    attributes = models.TextField()  # JSON text: jsonb would refuse NUL and reorder keys

    objects = AppendOnlyQuerySet.as_manager()

    appended_by = "only a turn appends them, through aion.store"
    deleted_by = "retention deletes whole closed runs only"

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"


class Message(models.Model):
    """An event that waits in a run's mailbox for its place in history.

    `kind` and `body` are those of the event. `start` and `wake` are kinds without an event: fold the
    recorded start; look at the run again. Messages of a paused or held run are parked.
    """

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(
        Run, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="messages"
    )
    kind = models.CharField(max_length=40)
    body = models.TextField(default="{}")
    created_at = models.DateTimeField()
    parked = models.BooleanField(default=False)
    priority = models.PositiveSmallIntegerField(default=DEFAULT, db_default=DEFAULT)  # its run's

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        default_permissions = ("view",)
        indexes = (
            models.Index(fields=["run", "id"], name="aion_message_mailbox"),
            # One number, so that where all are of one priority it is as small and as ordered as the id.
            models.Index(
                F("id") + F("priority") * LEAD,
                name="aion_message_ready",
                condition=Q(parked=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} for {self.run_id}"


class Request(models.Model):
    """A request id that a run has already taken, so that the same call twice has one effect."""

    pk = models.CompositePrimaryKey("run", "request_id")
    run = models.ForeignKey(Run, models.DO_NOTHING, db_constraint=False, db_index=False)
    workflow_id = models.CharField(max_length=255)  # the run's: a chain is searched by it
    request_id = models.CharField(max_length=255)

    class Meta:
        verbose_name = _("request")
        verbose_name_plural = _("requests")
        default_permissions = ("view",)
        indexes = (
            models.Index(fields=["workflow_id", "request_id"], name="aion_request_by_workflow"),
        )

    def __str__(self) -> str:
        return self.request_id


class UpdateState(models.TextChoices):
    """Where an update stands."""

    ADMITTED = "admitted", _("Admitted")  # written by its caller, not seen by the code yet
    ACCEPTED = "accepted", _("Accepted")
    COMPLETED = "completed", _("Completed")
    REFUSED = "refused", _("Refused")
    ABANDONED = "abandoned", _("Abandoned")  # accepted, and the run ended before the handler did


class Update(models.Model):
    """A message that is answered. Its answer waits here; what was accepted is in the history too."""

    pk = models.CompositePrimaryKey("run", "update_id")
    run = models.ForeignKey(
        Run, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="updates"
    )
    update_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    state = models.CharField(_("state"), max_length=20, choices=UpdateState)
    result = models.TextField(null=True, blank=True)  # noqa: DJ001  # JSON, or none yet
    failure = models.TextField(null=True, blank=True)  # noqa: DJ001
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("update")
        verbose_name_plural = _("updates")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"


class Timer(models.Model):
    """A wake-up. Ids that begin with `$` are the engine's own: the delayed start, the deadline."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(
        Run, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="timers"
    )
    timer_id = models.CharField(max_length=255)
    fire_at = models.DateTimeField()
    parked = models.BooleanField(default=False)
    priority = models.PositiveSmallIntegerField(default=DEFAULT, db_default=DEFAULT)  # its run's

    class Meta:
        verbose_name = _("timer")
        verbose_name_plural = _("timers")
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=["run", "timer_id"], name="aion_timer_identity"),
        )
        indexes = (
            models.Index(fields=["fire_at"], name="aion_timer_due", condition=Q(parked=False)),
            models.Index(
                fields=["priority", "fire_at"],
                name="aion_timer_urgent",
                condition=Q(parked=False, priority__lt=DEFAULT),
            ),
        )

    def __str__(self) -> str:
        return f"{self.timer_id} at {self.fire_at}"

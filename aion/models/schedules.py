"""Schedules, what became of their times, and their histories."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from aion.core.ids import uuid7
from aion.models.append_only import AppendOnly, AppendOnlyQuerySet


class Schedule(models.Model):
    """A schedule: what it was told, and how far it has come.

    `due_at` is when the tick has to look at it, empty when only its runs or somebody can bring it on.
    `decided_until` is the nominal time up to which all times are decided, so that none is decided twice.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schedule_id = models.CharField(_("schedule id"), max_length=255)
    workflow_type = models.CharField(_("workflow type"), max_length=255)
    config = models.TextField()  # aion.schedules.config.ScheduleConfig as JSON
    version = models.PositiveIntegerField(default=1)  # of the config: the conflict token
    paused = models.BooleanField(_("paused"), default=False)
    note = models.TextField(_("note"), blank=True, default="")
    remaining_actions = models.PositiveIntegerField(_("remaining actions"), null=True, blank=True)
    decided_until = models.DateTimeField()
    next_at = models.DateTimeField(_("next at"), null=True, blank=True)  # when the next time fires
    due_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True, default="")  # why the last start failed
    problem_count = models.PositiveIntegerField(default=0)
    last_result = models.TextField(null=True, blank=True)  # noqa: DJ001  # JSON, or none yet
    last_failure = models.TextField(null=True, blank=True)  # noqa: DJ001
    started_count = models.PositiveIntegerField(_("started"), default=0)
    skipped_count = models.PositiveIntegerField(_("skipped"), default=0)
    missed_count = models.PositiveIntegerField(_("missed"), default=0)
    failed_count = models.PositiveIntegerField(_("failed"), default=0)
    head_seq = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(_("created at"))
    updated_at = models.DateTimeField(_("updated at"))
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        default_permissions = ("view",)
        permissions = (
            ("create_schedule", _("Can create schedules")),
            ("update_schedule", _("Can change schedules")),
            ("pause_schedule", _("Can pause schedules")),
            ("resume_schedule", _("Can resume schedules")),
            ("trigger_schedule", _("Can trigger schedules")),
            ("backfill_schedule", _("Can backfill schedules")),
            ("delete_schedule", _("Can delete schedules")),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["schedule_id"],
                condition=Q(deleted_at__isnull=True),
                name="aion_schedule_identity",
            ),
        )
        indexes = (
            models.Index(
                fields=["due_at"], name="aion_schedule_due", condition=Q(due_at__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return self.schedule_id


class FiringState(models.TextChoices):
    """Where a time of a schedule stands."""

    ASKED = "asked", _("Asked for")  # by a backfill; the overlap policy has not decided yet
    BUFFERED = "buffered", _("Buffered")
    RUNNING = "running", _("Running")
    ENDED = "ended", _("Ended")
    SKIPPED = "skipped", _("Skipped")


class Firing(models.Model):
    """A time of a schedule that has started a run, or waits to.

    `key` is empty for the times of the spec, and the request id of a trigger; so each time of the spec
    starts at most one run, whoever looks, and however often.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schedule = models.ForeignKey(
        Schedule, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="firings"
    )
    nominal_at = models.DateTimeField(_("nominal time"))
    key = models.CharField(max_length=255, blank=True, default="")
    source = models.CharField(_("source"), max_length=20)  # time, trigger or backfill
    overlap = models.CharField(_("overlap policy"), max_length=20)
    state = models.CharField(_("state"), max_length=20, choices=FiringState)
    workflow_id = models.CharField(_("workflow id"), max_length=255, blank=True, default="")
    run_id = models.UUIDField(null=True, blank=True)  # the run that was started
    current_run_id = models.UUIDField(null=True, blank=True)  # the last known of its chain
    outcome = models.CharField(_("outcome"), max_length=20, blank=True, default="")
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("firing")
        verbose_name_plural = _("firings")
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(
                fields=["schedule", "nominal_at", "key"], name="aion_firing_identity"
            ),
        )
        indexes = (
            models.Index(
                fields=["schedule", "nominal_at"],
                name="aion_firing_open",
                condition=Q(state__in=["asked", "buffered", "running"]),
            ),
            models.Index(
                fields=["current_run_id"],
                name="aion_firing_running",
                condition=Q(state="running"),
            ),
            models.Index(
                "schedule",
                F("started_at").desc(),
                name="aion_firing_started",
                condition=Q(started_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.nominal_at} ({self.state})"


class ScheduleEvent(AppendOnly, models.Model):
    """A fact of a schedule. Written once by the store; the ORM refuses to change or delete one."""

    pk = models.CompositePrimaryKey("schedule", "seq")
    schedule = models.ForeignKey(
        Schedule, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="events"
    )
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    recorded_at = models.DateTimeField()
    attributes = models.TextField()
    request_id = models.CharField(max_length=255, blank=True, default="")

    objects = AppendOnlyQuerySet.as_manager()

    appended_by = "only the store appends them"
    deleted_by = "retention deletes whole histories only"

    class Meta:
        verbose_name = _("schedule event")
        verbose_name_plural = _("schedule events")
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(
                fields=["schedule", "request_id"],
                condition=~Q(request_id=""),
                name="aion_scheduleevent_request",
            ),
        )

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"

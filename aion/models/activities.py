"""Pending activities: one row from the asking to the outcome."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from aion.core.ids import uuid7
from aion.core.priority import DEFAULT
from aion.models.runs import Run


class ActivityState(models.TextChoices):
    """Where a pending activity stands."""

    SCHEDULED = "scheduled", _("Scheduled")
    RUNNING = "running", _("Running")
    EXTERNAL = "external", _("Completed from elsewhere")


class ActivityTask(models.Model):
    """An activity without its outcome. The row is the truth; broker messages only point at it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(
        Run, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="activities"
    )
    activity_id = models.CharField(max_length=255)
    activity_type = models.CharField(_("activity type"), max_length=255)
    task_queue = models.CharField(_("task queue"), max_length=255)
    order = models.TextField()  # the attributes of ActivityScheduled, as JSON
    state = models.CharField(_("state"), max_length=20, choices=ActivityState)
    attempt = models.PositiveIntegerField(_("attempt"), default=1)
    scheduled_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    owner_id = models.UUIDField(null=True, blank=True)
    pid = models.IntegerField(null=True, blank=True)
    timeout_at = models.DateTimeField(null=True, blank=True)  # the next deadline, whichever it is
    timeout_kind = models.CharField(max_length=20, blank=True, default="")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    heartbeat_details = models.TextField(default="[]")
    last_failure = models.TextField(null=True, blank=True)  # noqa: DJ001  # JSON, or none yet
    cancel_requested = models.BooleanField(default=False)
    paused = models.BooleanField(default=False)  # by hand, or with its run: it is not begun
    paused_at = models.DateTimeField(
        null=True, blank=True
    )  # by hand; a run's pause leaves it empty
    paused_by = models.CharField(max_length=255, blank=True, default="", db_default="")
    pause_reason = models.TextField(blank=True, default="", db_default="")
    reset_requested = models.BooleanField(default=False, db_default=False)  # while an attempt runs
    reset_heartbeat = models.BooleanField(default=False, db_default=False)
    # `attempt` fences and only grows; people see it without the attempts that a reset has forgotten.
    attempts_forgotten = models.PositiveIntegerField(default=0, db_default=0)
    priority = models.PositiveSmallIntegerField(_("priority"), default=DEFAULT, db_default=DEFAULT)
    # About the limits of its queue; see aion.store.activity_limits.
    limit_key = models.CharField(max_length=255, blank=True, default="", db_default="")
    slot_at = models.DateTimeField(null=True, blank=True)  # when its turn in the rate comes
    crowded = models.BooleanField(default=False, db_default=False)  # it found no place

    class Meta:
        verbose_name = _("pending activity")
        verbose_name_plural = _("pending activities")
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=["run", "activity_id"], name="aion_activity_identity"),
        )
        indexes = (
            models.Index(
                fields=["priority", "next_attempt_at"],
                name="aion_activity_ready",
                condition=Q(state="scheduled"),
            ),
            models.Index(
                fields=["timeout_at"],
                name="aion_activity_timeout",
                condition=Q(timeout_at__isnull=False),
            ),
            models.Index(
                fields=["owner_id"], name="aion_activity_owner", condition=Q(owner_id__isnull=False)
            ),
            models.Index(
                fields=["task_queue", "limit_key", "scheduled_at"],
                name="aion_activity_crowded",
                condition=Q(crowded=True),
            ),
        )

    def __str__(self) -> str:
        return f"{self.activity_type} ({self.state}, attempt {self.attempt})"


class ActivityLimit(models.Model):
    """A limit that workers keep together: its lock, and when its next slot is free."""

    name = models.CharField(primary_key=True, max_length=600)  # a task queue, or one and a key
    free_at = models.DateTimeField()

    class Meta:
        verbose_name = _("activity limit")
        verbose_name_plural = _("activity limits")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name

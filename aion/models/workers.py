"""Who is alive, when the system last ticked, and which runs were in the turns of workers that died."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from aion.core.ids import uuid7
from aion.models.runs import Run


class Worker(models.Model):
    """A process that takes turns or runs activities. Its leases end with its heartbeat."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=255)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField()
    queues = models.JSONField(default=list)
    version = models.CharField(_("version"), max_length=64, blank=True, default="")
    started_at = models.DateTimeField(_("started at"))
    last_seen_at = models.DateTimeField(_("last seen at"))
    in_turn = models.TextField(
        default="", db_default="", blank=True
    )  # JSON: the runs of the turns it takes with care; empty where it hosts no loop

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name


class Tick(models.Model):
    """The one row that says when deadlines were last looked at; its lock makes ticks exclusive."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    ticked_at = models.DateTimeField()
    crashed_at = models.DateTimeField(null=True, blank=True)  # when a loop was last found dead

    class Meta:
        verbose_name = _("tick")
        verbose_name_plural = _("ticks")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(self.ticked_at)


class Suspect(models.Model):
    """A run that was in the hands of workers that died. Gone once it has passed a turn."""

    run = models.OneToOneField(
        Run, models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="suspect"
    )
    crash_count = models.PositiveSmallIntegerField()
    crashed_at = models.DateTimeField()

    class Meta:
        verbose_name = _("suspect")
        verbose_name_plural = _("suspects")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.run_id}: {self.crash_count}"

"""The app of the engine: guards workflow code, hosts turn loops in Celery workers, keeps beat's entries."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AionEngineConfig(AppConfig):
    """Only connects: no thread, connection or query happens here."""

    name = "aion_engine"
    verbose_name = _("Aion engine")

    def ready(self) -> None:
        """Connect to Celery, to new database connections, and to the end of migrations."""
        from aion_engine.runtime import bootstep, celery_checks, database_guard, periodic  # noqa: F401

        bootstep.connect()
        database_guard.connect()
        # Django sends no post_migrate for an app without models, as this one.
        post_migrate.connect(periodic.ensure_entries, sender=apps.get_app_config("aion"))

"""The app of the language, the tables and the verbs."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AionConfig(AppConfig):
    """Finds workflows and activities in every installed app, and registers the checks."""

    name = "aion"
    verbose_name = _("Aion")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import `workflows` and `activities` of every app, as the admin does with `admin`."""
        from django.utils.module_loading import autodiscover_modules

        from aion import checks  # noqa: F401  # registers the system checks

        autodiscover_modules("activities", "workflows")

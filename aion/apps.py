"""The app of the language, the tables and the verbs."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings as django_settings
from django.core.signals import setting_changed
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
        from aion.authoring import interception
        from aion.interceptors.configured import configured

        interception.provide(configured)
        setting_changed.connect(interception.forget, dispatch_uid="aion.interceptors")
        apply_payload_limits()
        setting_changed.connect(apply_payload_limits, dispatch_uid="aion.limits")
        autodiscover_modules("activities", "workflows")


def apply_payload_limits(**_: Any) -> None:
    """Let the pure floors know the limits of the settings; broken settings are left to the checks."""
    from aion.conf import Settings, find_problems
    from aion.core.payloads import Limits, set_default_limits

    values = getattr(django_settings, "AION", {})
    if not find_problems(values):
        current = Settings(**values)
        refuse = (
            current.PAYLOAD_STORED_REFUSE if current.PAYLOAD_STORAGE else current.PAYLOAD_REFUSE
        )
        set_default_limits(
            Limits(warn=current.PAYLOAD_WARN, refuse=refuse, in_row=current.PAYLOAD_REFUSE)
        )

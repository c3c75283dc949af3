"""The app of the REST API."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AionApiConfig(AppConfig):
    """HTTP over the operations."""

    name = "aion_api"
    verbose_name = _("Aion API")

    def ready(self) -> None:
        """Register the checks."""
        from aion_api import checks  # noqa: F401

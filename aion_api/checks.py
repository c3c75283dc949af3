"""The system checks of the API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning, register
from rest_framework.settings import api_settings

_WANTED = "drf_spectacular.openapi.AutoSchema"


@register("aion")
def check_schema_class(app_configs: Sequence[AppConfig] | None, **_: Any) -> Iterable[CheckMessage]:
    """W010: the OpenAPI document cannot be made."""
    found: Any = api_settings.DEFAULT_SCHEMA_CLASS
    if not found.__module__.startswith("drf_spectacular."):
        yield Warning(
            "The API serves, but cannot describe itself: /schema/ and /docs/ need drf-spectacular",
            hint=f'Set REST_FRAMEWORK["DEFAULT_SCHEMA_CLASS"] = "{_WANTED}".',
            id="aion.W010",
        )

"""The API's own description: OpenAPI, and Swagger from the project's static files.

The page has no inline script and loads nothing from elsewhere: it needs no network, and a strict content
security policy lets it through.
"""

from __future__ import annotations

from typing import Any, Final

from django.templatetags.static import static
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import IsAuthenticated

_SETTINGS: Final[dict[str, Any]] = {
    "TITLE": "Aion",
    "DESCRIPTION": "Durable workflows: start them, talk to them, operate them.",
    "VERSION": "1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PREPROCESSING_HOOKS": [f"{__name__}.only_aion"],
}

Endpoint = tuple[str, str, str, Any]


def only_aion(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Keep Aion's views, whatever else the project serves."""
    return [each for each in endpoints if each[3].cls.__module__.startswith("aion_api.")]


class Schema(SpectacularAPIView):
    """The OpenAPI document."""

    permission_classes = (IsAuthenticated,)
    custom_settings = _SETTINGS


class Swagger(SpectacularSwaggerSplitView):
    """The document to read and to try out."""

    permission_classes = (IsAuthenticated,)
    url_name = "aion_api:schema"
    title = "Aion"

    @staticmethod
    def _swagger_ui_resource(filename: str) -> str:
        return static(f"drf_spectacular_sidecar/swagger-ui-dist/{filename}")

    @staticmethod
    def _swagger_ui_favicon() -> str:
        return static("drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png")

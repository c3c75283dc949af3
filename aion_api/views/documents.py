"""The API's own description: OpenAPI, and Swagger from the project's static files.

The page has no inline script and loads nothing from elsewhere: it needs no network, and a strict content
security policy lets it through.
"""

from __future__ import annotations

from typing import Any, Final

from django.templatetags.static import static
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import IsAuthenticated

from aion_api import outputs, problems
from aion_api.views.base import ProblemView

_SETTINGS: Final[dict[str, Any]] = {
    "TITLE": "Aion",
    "DESCRIPTION": "Durable workflows: start them, talk to them, operate them.",
    "VERSION": "1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PREPROCESSING_HOOKS": [f"{__name__}.only_aion"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        f"{__name__}.problems_as_sent",
        f"{__name__}.strict_bodies",
    ],
}
_PROBLEM: Final = {"$ref": f"#/components/schemas/{outputs.Problem.__name__}"}
_PROBLEM_CONTENT: Final = {problems.CONTENT_TYPE: {"schema": _PROBLEM}}

Endpoint = tuple[str, str, str, Any]


def only_aion(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Keep Aion's views, whatever else the project serves."""
    return [each for each in endpoints if each[3].cls.__module__.startswith("aion_api.")]


def problems_as_sent(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say that errors are problem documents, those that an operation does not name as well."""
    for methods in result["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                if {"schema": _PROBLEM} in response.get("content", {}).values():
                    response["content"] = _PROBLEM_CONTENT
            other = {"description": "What cannot be done, and why", "content": _PROBLEM_CONTENT}
            operation["responses"]["default"] = other
    return result


def strict_bodies(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say that bodies take no names that they do not declare."""
    for name, schema in result["components"]["schemas"].items():
        if name.endswith("Request") and schema.get("type") == "object":
            schema["additionalProperties"] = False
    return result


class Schema(ProblemView, SpectacularAPIView):
    """The OpenAPI document."""

    permission_classes = (IsAuthenticated,)
    custom_settings = _SETTINGS


class Swagger(ProblemView, SpectacularSwaggerSplitView):
    """The document to read and to try out."""

    permission_classes = (IsAuthenticated,)
    http_method_names = ["get", "head"]  # OPTIONS would want a template
    url_name = "aion_api:schema"
    title = "Aion"

    @staticmethod
    def _swagger_ui_resource(filename: str) -> str:
        return static(f"drf_spectacular_sidecar/swagger-ui-dist/{filename}")

    @staticmethod
    def _swagger_ui_favicon() -> str:
        return static("drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png")

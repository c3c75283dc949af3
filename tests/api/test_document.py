"""The OpenAPI document is valid and complete."""

from __future__ import annotations

import re

import pytest
from drf_spectacular.drainage import GENERATOR_STATS, reset_generator_stats
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from aion_api.urls import urlpatterns

pytestmark = pytest.mark.django_db


def test_the_document_is_valid_and_made_without_a_warning(api: APIClient) -> None:
    reset_generator_stats()

    document = api.get("/aion/schema/?format=json").json()

    validate_schema(document)
    assert not GENERATOR_STATS


def test_the_document_describes_every_path(api: APIClient) -> None:
    document = api.get("/aion/schema/?format=json").json()

    served = {f"/aion/{p.pattern}" for p in urlpatterns if p.name != "docs"}
    converters = re.compile(r"<\w+:(\w+)>")
    assert set(document["paths"]) == {converters.sub(r"{\1}", path) for path in served}
    operations = [o["operationId"] for path in document["paths"].values() for o in path.values()]
    assert len(set(operations)) == len(operations)
    assert {"Problem", "Run", "Started"} <= set(document["components"]["schemas"])

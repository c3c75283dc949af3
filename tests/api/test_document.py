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


def test_what_may_be_null_says_so(api: APIClient) -> None:
    schemas = api.get("/aion/schema/?format=json").json()["components"]["schemas"]

    assert schemas["Run"]["properties"]["closed_at"]["nullable"] is True
    assert "nullable" not in schemas["Run"]["properties"]["started_at"]


def test_every_error_is_a_problem(api: APIClient) -> None:
    document = api.get("/aion/schema/?format=json").json()

    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for methods in document["paths"].values():
        for operation in methods.values():
            for number, response in operation["responses"].items():
                if number in ("default", "400", "404", "409", "422"):
                    assert response["content"] == problem


@pytest.mark.parametrize("path", ["schema/", "docs/"])
def test_strangers_get_a_problem_too(db: None, path: str) -> None:
    answer = APIClient().get(f"/aion/{path}")

    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
    assert answer.json()["code"] == "not_authenticated"

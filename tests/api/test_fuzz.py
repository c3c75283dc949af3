"""Texts and numbers that have broken programs are never a server error, wherever the document takes them."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any, Final

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from tests.security.bounds import bounded
from tests.support.clocks import StandingClock

pytestmark = pytest.mark.django_db

HUGE: Final = [2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 1e308, -1e308, 0.1, -1, 0]
TEXTS: Final = [
    "",
    "\x00",
    "\ud800",
    "x" * 300,
    "kit.greet",
    "open",
    "1",
    "note",
    "WorkflowId IS NOT NULL",
    "0 9 * * *",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "P9999999999D",
    "99999999999999999999",
    "-1",
    "NaN",
    "WyJTdGFydFRpbWUiLHRydWUsIjAwMDEtMDEtMDFUMDA6MDA6MDArMTQ6MDAiLCIwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAiXQ",
]
texts = st.sampled_from(TEXTS) | st.text(max_size=20)
scalars = (
    st.none() | st.booleans() | st.sampled_from(HUGE) | st.integers() | st.floats(width=32) | texts
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NOT_WAITING: Final = st.sampled_from([0, -1, 31, "x", None, 10**400])


class Document:
    """The OpenAPI document, as what can be sent."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.operations = [
            (path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if path != "/aion/schema/"
        ]

    def fitting(self, schema: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
        """Values of the described shape mostly, and anything at all at times."""
        shaped = self._shaped(schema, depth)
        return st.integers(0, 9).flatmap(lambda n: shaped if n or not depth else values)

    def _shaped(self, schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
        schema = self._resolved(schema)
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        match schema.get("type"):
            case "object" if "properties" in schema and depth < 4:
                return self._object(schema, depth)
            case "array":
                return st.lists(self.fitting(schema["items"], depth + 1), max_size=3)
            case "object":
                return st.dictionaries(texts, values, max_size=2)
            case "integer" | "number":
                return st.integers(0, 200) | st.sampled_from(HUGE)
            case "boolean":
                return st.booleans()
            case "string":
                return texts
        return values

    def _object(self, schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
        fields = {
            name: NOT_WAITING if name == "wait" else self.fitting(inner, depth + 1)
            for name, inner in schema["properties"].items()
        }
        always = {*schema.get("required", ()), "wait"} & set(fields)
        return st.fixed_dictionaries(
            {name: fields[name] for name in always},
            optional={name: each for name, each in fields.items() if name not in always},
        )

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while True:
            if "$ref" in schema:
                schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            elif len(schema.get("allOf", ())) == 1:
                schema = schema["allOf"][0]
            else:
                return schema

    def body(self, operation: dict[str, Any]) -> st.SearchStrategy[Any]:
        content = operation.get("requestBody", {}).get("content", {})
        for media in content.values():
            shaped = self.fitting(media["schema"])
            fields = self._resolved(media["schema"]).get("properties", {})
            return shaped if "wait" in fields else shaped | values
        return st.just(None)


@pytest.fixture
def document(api: APIClient) -> Document:
    return Document(api.get("/aion/schema/?format=json").json())


@pytest.fixture(autouse=True)
def there(open_run: None, clock: StandingClock, api: APIClient) -> None:
    """A run with a pending activity, and a schedule: so that requests find something."""

    made = api.post(
        "/aion/schedules/",
        {
            "schedule_id": "open",
            "spec": {"crons": ["0 9 * * *"]},
            "action": {"workflow_type": "kit.greet", "args": ["a"]},
        },
        format="json",
    )
    assert made.status_code == 201


def _path(path: str, data: st.DataObject) -> str:
    known = {"{workflow_id}": "open", "{activity_id}": "1", "{schedule_id}": "open"}
    known |= {"{name}": "note", "{workflow_type}": "kit.greet"}
    for name, usual in known.items():
        if name in path:
            part = data.draw(st.just(usual) | st.text(min_size=1, max_size=9), label=name)
            path = path.replace(name, urllib.parse.quote(part.encode("utf-8", "replace"), safe=""))
    return path


def _query(operation: dict[str, Any], data: st.DataObject) -> str:
    names = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    waits = {"wait": NOT_WAITING} if "wait" in names else {}
    others = {name: texts | st.integers() for name in names if name != "wait"}
    drawn = data.draw(st.fixed_dictionaries(waits, optional=others), label="query")
    return urllib.parse.urlencode(drawn, errors="replace")


@bounded(60)
@given(data=st.data())
def test_nothing_is_a_server_error(api: APIClient, document: Document, data: st.DataObject) -> None:
    path, method, operation = data.draw(st.sampled_from(document.operations), label="operation")
    body = data.draw(document.body(operation), label="body")
    url = f"{_path(path, data)}?{_query(operation, data)}"
    text = "" if body is None else json.dumps(body)
    headers = data.draw(
        st.sampled_from([{}, {"Idempotency-Key": "k"}, {"Idempotency-Key": "x" * 300}])
    )
    at = transaction.savepoint()

    answer = api.generic(
        method.upper(), url, text, content_type="application/json", headers=headers
    )

    assert answer.status_code < 500 or path == "/aion/health/", answer.content
    transaction.savepoint_rollback(at)

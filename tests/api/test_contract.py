"""The API keeps to its own document: schemathesis sends what the document allows, and what it does not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import HealthCheck, settings
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from aion_api.views.documents import Schema
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

EXAMPLES: Final = int(os.environ.get("AION_CONTRACT") or 0)
"""How many requests are drawn for each operation, besides all border cases that the document has.

`AION_CONTRACT=50` is the long form, of some minutes; without it, the suite draws the same few each time.
"""
FEW: Final = 4

LEFT_OUT: Final = [
    ignored_auth,  # these requests are authenticated before they are read
    positive_data_acceptance,  # a text of the right length may be no time zone
]
THERE: Final = {
    "workflow_id": "open",
    "activity_id": "1",
    "schedule_id": "open",
    "name": "note",
    "workflow_type": "kit.greet",
}


def _document() -> dict[str, Any]:
    """The document as it is served. No database is needed for it."""
    request = APIRequestFactory().get("/aion/schema/", {"format": "json"})
    force_authenticate(request, User(username="reader"))
    document: dict[str, Any] = json.loads(Schema.as_view()(request).render().content)
    return document


class Application:
    """The project as a WSGI application, inside of the transaction of the test, for a user who may do all."""

    api: APIClient

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        answer = self.api.request(**environ)
        start(f"{answer.status_code} {answer.reason_phrase}", list(answer.items()))
        return [answer.content]


contract = schemathesis.openapi.from_dict(
    _document(),
    config=SchemathesisConfig.from_dict({"phases": {"coverage": {"enabled": bool(EXAMPLES)}}}),
)
contract.app = Application()


@contract.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Let about half of the requests meet something that is there."""
    for name in path_parameters or {}:
        if len(str(path_parameters[name])) % 2:
            path_parameters[name] = THERE[name]
    return path_parameters


@contract.hook
def map_query(context: Any, query: Any) -> Any:
    return _without_waiting(query)


@contract.hook
def map_body(context: Any, body: Any) -> Any:
    waits = context.operation.label.startswith("POST") and "/update/" in context.operation.label
    return _without_waiting({"wait": 1, **body} if waits and isinstance(body, dict) else body)


def _without_waiting(values: Any) -> Any:
    """Replace a time to wait that would be waited for."""
    if isinstance(values, dict) and isinstance(values.get("wait"), int | float):
        values["wait"] = min(values["wait"], 0)
    return values


@pytest.fixture
def there(open_run: None, engine: Engine, api: APIClient) -> APIClient:
    """A run with a pending activity, a schedule, and a tick: so that requests find something."""

    engine.tick()
    made = {
        "schedule_id": "open",
        "spec": {"crons": ["0 9 * * *"]},
        "action": {"workflow_type": "kit.greet", "args": ["a"]},
    }
    assert api.post("/aion/schedules/", made, format="json").status_code == 201
    return api


@contract.exclude(path="/aion/schema/").parametrize()
@settings(
    max_examples=EXAMPLES or FEW,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_api_is_as_documented(case: schemathesis.Case, there: APIClient) -> None:
    contract.app.api = there
    at = transaction.savepoint()
    try:
        case.call_and_validate(excluded_checks=LEFT_OUT)
    finally:
        transaction.savepoint_rollback(at)

"""Bodies that have broken parsers are refused by every operation that takes one."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.support.rows import counts

pytestmark = pytest.mark.django_db

DEEP = '{"args": [' + "[" * 300 + "]" * 300 + "]}"
DEEPER = '{"args": ' + "[" * 100_000 + "]" * 100_000 + "}"
WRONG = {
    "deep": (DEEP, "nests deeper than 200 levels"),
    "deeper than the parser goes": (DEEPER, "nests too deep"),
    "a number of many digits": ('{"args": [%s]}' % ("9" * 5_000), "4300 digits"),
    "not a number": ('{"args": [NaN]}', "NaN"),
    "no text": (b"\xff\xfe", "utf-8"),
    "the half of an object": ('{"args": [1', "delimiter"),
}
PATHS = ["workflows/", "workflows/open/signal/note/", "schedules/", "activities/complete/"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", WRONG)
def test_it_is_refused_with_its_reason(
    api: APIClient, open_run: None, path: str, name: str
) -> None:
    body, reason = WRONG[name]
    before = counts()

    answer = api.generic("POST", f"/aion/{path}", body, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert reason in answer.json()["detail"]
    assert counts() == before


def test_the_page_of_the_document_has_no_options(api: APIClient) -> None:
    assert api.options("/aion/docs/").status_code == 405

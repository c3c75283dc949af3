"""Damaged histories: imported whole and shown on every page, or refused with nothing written."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from aion.core.errors import AionError
from aion.core.status import RunStatus
from aion.models import Event, Run
from aion_engine.runtime.importing import import_run
from tests.conftest import ROOT
from tests.security.bounds import bounded, scalars, values
from tests.security.test_fuzz_payloads import changed
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

FILES: Final = sorted((ROOT / "tests/replay/histories").rglob("*.jsonl"))
RECORDED: Final = {
    f"{file.parent.name}/{file.stem}": file.read_bytes().splitlines() for file in FILES
}


@pytest.fixture
def browser(db: None) -> Client:
    made = Client()
    made.force_login(User.objects.create_superuser("root"))
    return made


def damaged(lines: list[bytes], data: st.DataObject) -> list[bytes]:
    """One damage: of the bytes, of the order, or of a field."""
    lines = list(lines)
    at = data.draw(st.integers(0, len(lines) - 1), label="line")
    match data.draw(
        st.sampled_from(["bytes", "swap", "drop", "twice", "field", "field", "field"]), label="how"
    ):
        case "bytes":
            lines[at] = changed(lines[at], data)
        case "swap":
            other = data.draw(st.integers(0, len(lines) - 1), label="other")
            lines[at], lines[other] = lines[other], lines[at]
        case "drop":
            del lines[at]
        case "twice":
            lines.insert(at, lines[at])
        case _:
            lines[at] = _with_another_field(json.loads(lines[at]), data)
    return lines


def _with_another_field(line: dict[str, Any], data: st.DataObject) -> bytes:
    target: Any = line
    while data.draw(st.booleans(), label="deeper"):
        inner = [each for each in target.values() if isinstance(each, dict) and each]
        if not inner:
            break
        target = data.draw(st.sampled_from(inner), label="into")
    name = data.draw(st.sampled_from(sorted(target)), label="name")
    if data.draw(st.booleans(), label="removed"):
        del target[name]
    else:
        target[name] = data.draw(scalars | values, label="value")
    return json.dumps(line).encode()


@bounded(25)
@given(data=st.data())
def test_a_damaged_history_is_imported_whole_or_not_at_all(
    browser: Client, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(RECORDED)), label="history")
    lines = damaged(RECORDED[name], data)
    before = counts()
    at = transaction.savepoint()

    try:
        found = import_run(lines)
    except AionError as error:
        assert str(error)
        assert counts() == before
    else:
        run = Run.objects.get(id=found.run_id)
        assert not RunStatus(run.status).is_open
        assert run.closed_at is not None
        assert Event.objects.filter(run=run.id).count() == found.events + found.was_open
        one = f"/aion/workflows/{found.workflow_id}/?run_id={found.run_id}"
        pages = [f"/admin/aion/run/{found.run_id}/change/", "/admin/aion/run/", "/aion/workflows/"]
        if "/" not in found.workflow_id and found.workflow_id.isprintable():
            pages += [one, one.replace("/?", "/history/?"), one.replace("/?", "/result/?")]
        for page in pages:
            assert browser.get(page).status_code in (200, 202, 404, 409), page
    transaction.savepoint_rollback(at)


@bounded(15)
@given(lines=st.lists(st.binary(max_size=80), max_size=4))
def test_what_is_no_history_is_refused(lines: list[bytes]) -> None:
    before = counts()

    with pytest.raises(AionError):
        import_run(lines)

    assert counts() == before

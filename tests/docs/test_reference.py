"""The reference pages name what the code has, and only that."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from aion import activity, client, interceptors, workflow
from aion.conf import Settings
from aion.core import errors
from aion.core.errors import AionError
from aion.core.history import KINDS as RUN_KINDS
from aion.core.schedule_history import SCHEDULE_KINDS
from aion_engine import testing
from tests.conftest import ROOT
from tests.docs.pages import REFERENCE, headings, prose, rows, words

KINDS = {**RUN_KINDS, **SCHEDULE_KINDS}
SETTINGS = list(dataclasses.fields(Settings))
CODES = sorted(
    {
        value.code
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, AionError)
    }
)


@pytest.mark.parametrize("field", SETTINGS, ids=lambda field: field.name)
def test_every_setting_is_there_with_its_default(field: dataclasses.Field[Any]) -> None:
    row = rows(REFERENCE / "settings.md").get(field.name)

    assert row is not None
    assert row[1] == f"`{getattr(Settings(), field.name)!r}`"


def test_no_setting_is_there_that_does_not_exist() -> None:
    assert set(rows(REFERENCE / "settings.md")) - {field.name for field in SETTINGS} == set()


@pytest.mark.parametrize("code", CODES)
def test_every_error_code_is_there(code: str) -> None:
    assert code in rows(REFERENCE / "errors.md")


def test_no_error_code_is_there_that_does_not_exist() -> None:
    assert set(rows(REFERENCE / "errors.md")) - set(CODES) == set()


def test_errors_stand_beside_their_classes() -> None:
    for code, row in rows(REFERENCE / "errors.md").items():
        assert getattr(errors, row[1].strip("`")).code == code


def section(kind: str) -> str:
    """What the page says of an event."""
    found = re.search(
        rf"^### `{kind}`$(.*?)(?=^##|\Z)", prose(REFERENCE / "events.md"), re.M | re.S
    )
    assert found, f"docs/reference/events.md has no section `{kind}`"
    return found[1]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_event_is_there_with_its_fields(kind: str) -> None:
    fields = {field.name for field in msgspec.structs.fields(KINDS[kind])}
    fields.discard("sealed")  # the top of the page says what it is, for all of them
    listed = section(kind).partition("Fields: ")[2]

    assert fields == set(re.findall(r"`(\w+)`(?:\s\(|,|\.)", listed))


def test_no_event_is_there_that_does_not_exist() -> None:
    named = {
        name
        for name in headings(REFERENCE / "events.md")
        if re.fullmatch(r"\w+[a-z]+[A-Z]\w+", name)
    }

    assert named - set(KINDS) == set()


def check_ids() -> set[str]:
    """The ids that the checks give, read from their code."""
    trees = [ast.parse(path.read_text()) for path in sorted(ROOT.glob("aion*/**/*checks.py"))]
    nodes = (node for tree in trees for node in ast.walk(tree))
    constants = (node.value for node in nodes if isinstance(node, ast.Constant))
    return {
        each for each in constants if isinstance(each, str) and re.fullmatch(r"aion\.[EW]\d+", each)
    }


def test_the_checks_are_those_of_the_code() -> None:
    assert set(rows(REFERENCE / "checks.md")) == check_ids()


@pytest.mark.parametrize(
    ("module", "page"),
    [
        (workflow, "workflow-api.md"),
        (activity, "activity-api.md"),
        (client, "client-api.md"),
        (interceptors, "interceptors.md"),
        (testing, "testing-api.md"),
    ],
)
def test_every_public_name_is_there(module: ModuleType, page: str) -> None:
    assert set(module.__all__) - words(REFERENCE / page) == set()


@pytest.mark.parametrize(
    ("module", "page"), [(workflow, "workflow-api.md"), (activity, "activity-api.md")]
)
def test_headings_are_public_names(module: ModuleType, page: str) -> None:
    path: Path = REFERENCE / page
    named = set(re.findall(r"^### `(\w+)`$", prose(path), re.M))

    assert named - set(module.__all__) == set()

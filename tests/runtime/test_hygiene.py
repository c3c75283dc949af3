"""Connections of threads that live long: kept, renewed by age, replaced when broken."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from aion_engine.runtime.hygiene import tidy_connections
from tests.support.engine import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


def session_after(
    age: float | None, *, seconds: float = 0, broken: bool = False
) -> tuple[Any, Any]:
    """The driver's connection before and after a thread tidies up, `seconds` behind its first use."""

    def life() -> tuple[Any, Any]:
        connection.settings_dict = {**connection.settings_dict, "CONN_MAX_AGE": age}
        connection.ensure_connection()
        before = connection.connection
        if connection.close_at is not None:
            connection.close_at -= seconds
        if broken:
            before.close()
            connection.errors_occurred = True
        tidy_connections()
        connection.ensure_connection()
        return before, connection.connection

    pair: tuple[Any, Any] = in_thread(life).done()
    return pair


@pytest.mark.parametrize("age", [0, None, 600])
def test_a_connection_is_kept_between_activities(age: float | None) -> None:
    before, after = session_after(age, seconds=500)

    assert before is after


def test_one_beyond_its_age_is_renewed() -> None:
    before, after = session_after(600, seconds=601)

    assert before is not after


@pytest.mark.postgres
@pytest.mark.parametrize("age", [0, None, 600])
def test_a_broken_one_is_replaced(age: float | None) -> None:
    before, after = session_after(age, broken=True)

    assert before is not after

"""The migrations make what the models say, and no more."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from aion.models import Run

pytestmark = pytest.mark.django_db


def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "aion", check=True, dry_run=True, verbosity=0)


def test_open_runs_are_unique_by_a_partial_index() -> None:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, Run._meta.db_table)

    found = constraints["aion_run_one_open"]
    assert found["unique"] is True
    assert found["columns"] == ["workflow_id"]


@pytest.mark.postgres
def test_rarely_changed_columns_alone_are_indexed() -> None:
    """A turn's update of a run's row must touch no index, or it is no HOT update.

    Lists need an index on the status: turns write it, and change it at a close only
    (tests/store/test_listing.py looks at what PostgreSQL makes of that).
    """
    changed_by_each_turn = {"head_seq", "history_bytes", "result", "failure"}
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, Run._meta.db_table)

    indexed = {
        column
        for found in constraints.values()
        if found["index"] or found["unique"]
        for column in found["columns"]
    }
    assert indexed & changed_by_each_turn == set()

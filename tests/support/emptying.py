"""Empties the tables behind tests whose transactions commit.

Django truncates every table and then tells all apps that they were migrated, so that they make their
permissions anew: a second for each such test on PostgreSQL. Few rows are quicker deleted, and what migrating
has made may stay.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import connections, transaction
from django.test import TransactionTestCase

MADE_BY_MIGRATING = ("django_migrations", "django_content_type", "auth_permission")
KEPT_APPS = "django_celery_beat_"  # the engine's entry is there from the beginning


@cache
def tables(alias: str) -> tuple[str, ...]:
    names = connections[alias].introspection.django_table_names(
        only_existing=True, include_views=False
    )
    return tuple(
        sorted(
            name
            for name in names
            if name not in MADE_BY_MIGRATING and not name.startswith(KEPT_APPS)
        )
    )


def empty(alias: str) -> None:
    """Delete all rows but those that migrating has made."""
    own = connections[alias]
    statements = [f"DELETE FROM {own.ops.quote_name(name)}" for name in tables(alias)]
    if own.vendor == "postgresql":
        statements = ["; ".join(statements)]  # one round trip
    with transaction.atomic(using=alias), own.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def install() -> None:
    def teardown(case: Any) -> None:
        for alias in case._databases_names(include_mirrors=False):
            empty(alias)

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[method-assign]

"""Django for one measurement, and empty tables."""

from __future__ import annotations

import os


def _set_up_django() -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()


def migrate() -> None:
    """Make all tables."""
    from django.core.management import call_command

    _set_up_django()
    call_command("migrate", verbosity=0)


def begin() -> None:
    """Set up Django and empty Aion's tables."""
    from django.apps import apps
    from django.db import connection

    _set_up_django()
    tables = [model._meta.db_table for model in apps.get_app_config("aion").get_models()]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(tables)}")
            return
        for table in tables:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608  # the names are the models'
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

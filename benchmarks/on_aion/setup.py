"""Django for one measurement, and empty tables."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def _set_up_django() -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()


def migrate() -> None:
    """Make all tables; of a file of SQLite, a copy that stays empty."""
    from django.core.management import call_command
    from django.db import connection

    _set_up_django()
    call_command("migrate", verbosity=0)
    connection.close()
    if connection.vendor == "sqlite":
        shutil.copyfile(_file(), _empty_file())


def begin() -> None:
    """Set up Django and empty Aion's tables."""
    _set_up_django()
    empty()


def empty() -> None:
    """Empty Aion's tables. No worker may be running."""
    from django.apps import apps
    from django.db import connection

    if connection.vendor == "sqlite":
        connection.close()
        for leftover in _file().parent.glob(f"{_file().name}-*"):
            leftover.unlink()
        shutil.copyfile(_empty_file(), _file())
        return
    tables = [model._meta.db_table for model in apps.get_app_config("aion").get_models()]
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)}")


def _file() -> Path:
    from django.conf import settings

    return Path(settings.DATABASES["default"]["NAME"])


def _empty_file() -> Path:
    return _file().with_suffix(".empty")

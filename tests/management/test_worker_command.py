"""The worker's command refuses what it could only fail at."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

pytestmark = pytest.mark.django_db


def test_a_database_without_all_migrations_is_refused() -> None:
    MigrationRecorder(connection).record_unapplied("aion", "0001_initial")

    with pytest.raises(CommandError, match=r"from 0001_initial on: run `manage.py migrate` first"):
        call_command("aion_worker")

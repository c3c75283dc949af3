"""Tables that retention deletes from: vacuum them when one row in twenty is dead, not one in five."""

from __future__ import annotations

from typing import Any

from django.db import migrations

TABLES = ("aion_run", "aion_event", "aion_request", "aion_update", "aion_searchvalue")


def _alter(clause: str) -> Any:
    def apply(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for table in TABLES:
                schema_editor.execute(f"ALTER TABLE {table} {clause}")

    return apply


class Migration(migrations.Migration):
    dependencies = (("aion", "0010_imported_runs"),)
    operations = (
        migrations.RunPython(
            _alter("SET (autovacuum_vacuum_scale_factor = 0.05)"),
            _alter("RESET (autovacuum_vacuum_scale_factor)"),
        ),
    )

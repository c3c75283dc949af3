"""What lists walk: runs by status, by type, by time of close, by prefix of the workflow id, by root.

PostgreSQL's index over all search attributes goes: their typed rows answer equality, and ranges too.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations, models


def _drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS aion_run_attributes")


def _make(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX aion_run_attributes ON aion_run USING gin (search_attributes jsonb_path_ops)"
        )


class Migration(migrations.Migration):
    dependencies = [
        ("aion", "0007_message_keys"),
    ]

    operations = [
        migrations.RunPython(_drop, _make),
        migrations.RemoveIndex(
            model_name="run",
            name="aion_run_by_workflow",
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                fields=["workflow_id", "-started_at"],
                name="aion_run_by_workflow",
                opclasses=["varchar_pattern_ops", "timestamptz_ops"],
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["status", "-started_at", "-id"], name="aion_run_by_status"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                fields=["workflow_type", "-started_at", "-id"], name="aion_run_by_type"
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["-closed_at", "-id"], name="aion_run_closed"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("root_run_id", models.F("id")), _negated=True),
                fields=["root_run_id"],
                name="aion_run_descendants",
            ),
        ),
    ]

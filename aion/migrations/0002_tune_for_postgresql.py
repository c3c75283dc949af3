"""What only PostgreSQL has: a GIN index, and storage settings for tables that change all the time."""

from __future__ import annotations

from typing import Any

from django.db import migrations

FORWARD = (
    # Equality on search attributes of any name.
    "CREATE INDEX aion_run_attributes ON aion_run USING gin (search_attributes jsonb_path_ops)",
    # A turn updates its run's row; with room on the page the update stays there and touches no index.
    "ALTER TABLE aion_run SET (fillfactor = 70)",
    # Queues: rows live for milliseconds. Vacuum by a fixed number of dead rows, not by a share of the table.
    "ALTER TABLE aion_message SET (autovacuum_vacuum_scale_factor = 0, "
    "autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)",
    "ALTER TABLE aion_activitytask SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, "
    "autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)",
    "ALTER TABLE aion_timer SET (autovacuum_vacuum_scale_factor = 0.01, "
    "autovacuum_vacuum_threshold = 5000)",
    # Payloads are JSON text, often above the page's share: compress them only when they are long.
    "ALTER TABLE aion_event SET (toast_tuple_target = 4080)",
)
BACKWARD = (
    "DROP INDEX aion_run_attributes",
    "ALTER TABLE aion_run RESET (fillfactor)",
    "ALTER TABLE aion_message RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, "
    "autovacuum_vacuum_cost_delay)",
    "ALTER TABLE aion_activitytask RESET (fillfactor, autovacuum_vacuum_scale_factor, "
    "autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay)",
    "ALTER TABLE aion_timer RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)",
    "ALTER TABLE aion_event RESET (toast_tuple_target)",
)


def _run(statements: tuple[str, ...]) -> Any:
    def apply(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for statement in statements:
                schema_editor.execute(statement)

    return apply


class Migration(migrations.Migration):
    """Add indexes and storage settings."""

    dependencies = (("aion", "0001_initial"),)
    operations = (migrations.RunPython(_run(FORWARD), _run(BACKWARD)),)

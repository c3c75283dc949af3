"""Request ids are searched along the chain of a workflow id, and updates can be left unfinished."""

from __future__ import annotations

from django.db import migrations, models

NAME_THE_WORKFLOWS = (
    "UPDATE aion_request SET workflow_id = "
    "(SELECT workflow_id FROM aion_run WHERE aion_run.id = aion_request.run_id) "
    "WHERE EXISTS (SELECT 1 FROM aion_run WHERE aion_run.id = aion_request.run_id)"
)


class Migration(migrations.Migration):
    """Add the workflow id to taken request ids, and a state to updates."""

    dependencies = (("aion", "0006_schedules"),)
    operations = (
        migrations.AddField(
            "request",
            "workflow_id",
            models.CharField(default="", max_length=255),
            preserve_default=False,
        ),
        migrations.RunSQL(NAME_THE_WORKFLOWS, migrations.RunSQL.noop),
        migrations.AddIndex(
            "request",
            models.Index(fields=["workflow_id", "request_id"], name="aion_request_by_workflow"),
        ),
        migrations.AlterField(
            "update",
            "state",
            models.CharField(
                choices=[
                    ("admitted", "Admitted"),
                    ("accepted", "Accepted"),
                    ("completed", "Completed"),
                    ("refused", "Refused"),
                    ("abandoned", "Abandoned"),
                ],
                max_length=20,
                verbose_name="state",
            ),
        ),
    )

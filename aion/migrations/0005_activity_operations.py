"""What operators do to one pending activity."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the columns of pausing and resetting."""

    dependencies = (("aion", "0004_permissions_for_each_verb"),)
    operations = (
        migrations.AddField(
            model_name="activitytask",
            name="paused_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="activitytask",
            name="paused_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
        ),
        migrations.AddField(
            model_name="activitytask",
            name="pause_reason",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="activitytask",
            name="reset_requested",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="activitytask",
            name="reset_heartbeat",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="activitytask",
            name="attempts_forgotten",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    )

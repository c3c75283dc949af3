"""A run that was imported says since when it is here: retention counts from then."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("aion", "0009_one_successor")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="imported_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]

"""A run is continued by one other at most; the index that guards it also finds the successor."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("aion", "0008_list_indexes")]

    operations = [
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(
                fields=["continued_from_run_id"],
                condition=Q(continued_from_run_id__isnull=False),
                name="aion_run_one_successor",
            ),
        ),
    ]

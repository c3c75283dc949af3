"""What lists filter on: the registered search attributes, and their values as typed rows."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from aion.core.search_attributes import AttributeKind
from aion.models.runs import Run


def kind_choices() -> list[tuple[str, str]]:
    """Give the kinds with their labels."""
    return [(kind.value, kind.value.replace("_", " ")) for kind in AttributeKind]


class SearchAttribute(models.Model):
    """A name that runs may be found by, and what its values are. Settings may register more."""

    name = models.CharField(_("name"), max_length=64, primary_key=True)
    kind = models.CharField(_("kind"), max_length=20, choices=kind_choices)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("search attribute")
        verbose_name_plural = _("search attributes")

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"


class SearchValue(models.Model):
    """A value of a run, in the column of its kind; a list and a text have a row for each item or word."""

    pk = models.CompositePrimaryKey("run", "name", "position")
    run = models.ForeignKey(
        Run, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="search_values"
    )
    name = models.CharField(_("name"), max_length=64)
    position = models.PositiveSmallIntegerField()
    keyword = models.CharField(max_length=255, null=True)  # noqa: DJ001  # not of this kind
    integer = models.BigIntegerField(null=True)
    number = models.FloatField(null=True)
    moment = models.DateTimeField(null=True)
    flag = models.BooleanField(null=True)

    class Meta:
        verbose_name = _("search value")
        verbose_name_plural = _("search values")
        # Each row is in one of these: the column of its kind. Words and items are asked for by prefix,
        # too, which needs the order of bytes.
        indexes = (
            models.Index(
                fields=["name", "keyword", "run"],
                name="aion_search_keyword",
                condition=Q(keyword__isnull=False),
                opclasses=["varchar_ops", "varchar_pattern_ops", "uuid_ops"],
            ),
            models.Index(
                fields=["name", "integer", "run"],
                name="aion_search_integer",
                condition=Q(integer__isnull=False),
            ),
            models.Index(
                fields=["name", "number", "run"],
                name="aion_search_number",
                condition=Q(number__isnull=False),
            ),
            models.Index(
                fields=["name", "moment", "run"],
                name="aion_search_moment",
                condition=Q(moment__isnull=False),
            ),
            models.Index(
                fields=["name", "flag", "run"],
                name="aion_search_flag",
                condition=Q(flag__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} of {self.run_id}"

"""Which runs a caller means: a query, a search, and filters by keyword, all of which must hold."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from typing import Any, Final

from aion.authoring.registry import registry as definitions
from aion.core.errors import InvalidArgument
from aion.core.search_attributes import Kinds
from aion.operations.checking import check_mapping
from aion.store.attribute_registry import registry
from aion.store.listing import Selection
from aion.visibility import (
    And,
    Condition,
    Operator,
    Query,
    parse,
    resolve,
    resolve_order,
    search_box,
)
from aion.visibility.fields import BUILT_IN, ORDERABLE, Field, FieldKind, field_of, unknown
from aion.visibility.literals import BadLiteral
from aion.visibility.meaning import Meaning, value_of


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """What a caller asks for. Times are aware; `after` includes its moment and `before` does not.

    `within` is a query that limits the others: what a user may see, say.
    """

    query: str = ""
    within: str = ""
    search: str = ""
    workflow_type: str | None = None
    status: str | Collection[str] | None = None
    workflow_id: str | None = None
    workflow_id_prefix: str | None = None
    started_after: dt.datetime | None = None
    started_before: dt.datetime | None = None
    closed_after: dt.datetime | None = None
    closed_before: dt.datetime | None = None
    parent: str | uuid.UUID | None = None
    held: bool | None = None
    older_code: bool | None = None
    search_attributes: Mapping[str, Any] | None = None
    order_by: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen:
    """Which runs are meant, and in which order."""

    selection: Selection
    order: str = "StartTime"
    descending: bool = True
    is_ordered: bool = False  # by the caller


def choose(wanted: RunFilter, *, now: dt.datetime) -> Chosen:
    """Read a filter; relative times are seen from `now`.

    Raises:
        InvalidListQuery: the query or search cannot be read; the message points at the place.
        InvalidArgument: a filter cannot be used; `field` names it.
    """
    query, search, within = parse(wanted.query), search_box(wanted.search), parse(wanted.within)
    kinds = registry.current() if _names_attributes(wanted) else registry.known
    if wanted.search:
        search = search_box(wanted.search, kinds)
    found = [resolve(each, kinds=kinds, now=now) for each in (within, query, search)]
    terms = [one for one in found if one is not None]
    terms += _by_keyword(wanted, now)
    terms += _by_attribute(wanted, kinds, now)
    order, descending = _order(wanted, query)
    if wanted.older_code not in (None, True, False):
        raise _bad("older_code", "True or False", wanted.older_code)
    if wanted.older_code is False:
        raise _bad("older_code", "True or not given", False)
    other = None
    if wanted.older_code:
        other = {name: one.definition_hash for name, one in definitions.workflows.items()}
    is_ordered = bool(wanted.order_by or query.order)
    return Chosen(Selection(_all(terms), other), order, descending, is_ordered)


def _all(terms: list[Meaning]) -> Meaning | None:
    if len(terms) > 1:
        return And(tuple(terms))
    return terms[0] if terms else None


def _names_attributes(wanted: RunFilter) -> bool:
    """Tell whether the registry is needed: a list without attributes is one statement."""
    texts = (wanted.query, wanted.search, wanted.within)
    return bool(wanted.search_attributes) or any(_may_name_attributes(text) for text in texts)


def _may_name_attributes(text: str) -> bool:
    words = {word.strip("()") for word in text.replace("=", " ").split()}
    return any(word[:1].isalpha() and word not in BUILT_IN for word in words)


_FILTERS: Final = {
    "workflow_type": ("WorkflowType", Operator.EQ),
    "workflow_id": ("WorkflowId", Operator.EQ),
    "workflow_id_prefix": ("WorkflowId", Operator.STARTS_WITH),
    "started_after": ("StartTime", Operator.GE),
    "started_before": ("StartTime", Operator.LT),
    "closed_after": ("CloseTime", Operator.GE),
    "closed_before": ("CloseTime", Operator.LT),
    "held": ("Held", Operator.EQ),
}


def _by_keyword(wanted: RunFilter, now: dt.datetime) -> list[Meaning]:
    terms: list[Meaning] = []
    for argument, (name, operator) in _FILTERS.items():
        value = getattr(wanted, argument)
        if value is not None:
            terms.append(_condition(argument, BUILT_IN[name], operator, [value], now))
    if wanted.status is not None:
        given = [wanted.status] if isinstance(wanted.status, str) else wanted.status
        if not isinstance(given, Collection) or not given:
            raise _bad("status", "a status or several", wanted.status)
        terms.append(_condition("status", BUILT_IN["ExecutionStatus"], Operator.IN, given, now))
    if wanted.parent is not None:
        is_run = isinstance(wanted.parent, uuid.UUID)
        field = BUILT_IN["ParentRunId" if is_run else "ParentWorkflowId"]
        terms.append(_condition("parent", field, Operator.EQ, [wanted.parent], now))
    return terms


def _by_attribute(wanted: RunFilter, kinds: Kinds, now: dt.datetime) -> list[Meaning]:
    terms: list[Meaning] = []
    argument = "search_attributes"
    for name, value in check_mapping(argument, wanted.search_attributes).items():
        field = field_of(name, kinds) if isinstance(name, str) else None
        if field is None or field.attribute is None:
            raise InvalidArgument(f"{argument}: {unknown(str(name), kinds)}", field=argument)
        if value is None:
            terms.append(Condition(field, Operator.IS_NULL))
            continue
        several = field.kind is FieldKind.KEYWORD_LIST and isinstance(value, (list, tuple))
        terms += [
            _condition(argument, field, Operator.EQ, [each], now)
            for each in (value if several else [value])
        ]
    return terms


def _condition(
    argument: str, field: Field, operator: Operator, values: Collection[Any], now: dt.datetime
) -> Condition:
    try:
        return Condition(field, operator, tuple(_value(field, value, now) for value in values))
    except BadLiteral as error:
        raise _bad(argument, str(error), values) from error


def _value(field: Field, value: Any, now: dt.datetime) -> Any:
    if field.kind is FieldKind.MOMENT and isinstance(value, dt.datetime):
        if value.utcoffset() is None:
            raise BadLiteral("an aware datetime, as timezone.now() of Django gives it")
        return value.astimezone(dt.UTC)
    return value_of(field, value, now)


def _order(wanted: RunFilter, query: Query) -> tuple[str, bool]:
    if not wanted.order_by:
        return resolve_order(query.order, wanted.query)
    if query.order is not None:
        raise InvalidArgument("order_by is given, and the query has ORDER BY too", field="order_by")
    name = str(wanted.order_by).removeprefix("-")
    if name not in ORDERABLE:
        known = ", ".join([*ORDERABLE, *(f"-{each}" for each in ORDERABLE)])
        raise _bad("order_by", f"one of {known}", wanted.order_by)
    return name, str(wanted.order_by).startswith("-")


def _bad(argument: str, wanted: str, value: object) -> InvalidArgument:
    shown = ascii(value)[:100]
    return InvalidArgument(f"{argument} must be {wanted}, not {shown}", field=argument)

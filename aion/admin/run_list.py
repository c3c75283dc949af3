"""The list of runs: a search box that takes the query language, filters, pages by cursor, capped counts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from aion import client
from aion.core.errors import InvalidArgument
from aion.core.status import RunStatus
from aion.operations.clock import clock
from aion.operations.glance import glance

PAGE: Final = 50
_CAP: Final = 1_000
_IN_LINE: Final = 12  # choices of a filter; the others are folded up

# What only the query language has: an operator behind a name, or a word in capitals.
_QUERY: Final = re.compile(
    r"""^\s*(ORDER\s+BY|NOT|\()|
        ^\s*[A-Za-z]\w*\s*(=|!=|<|>)|
        ^\s*[A-Za-z]\w*\s+(NOT\s+)?(IN|IS|BETWEEN|STARTS_WITH)\b""",
    re.VERBOSE,
)

PERIODS: Final[Mapping[str, tuple[str | Promise, dt.timedelta]]] = {
    "hour": (_("Past hour"), dt.timedelta(hours=1)),
    "day": (_("Past day"), dt.timedelta(days=1)),
    "week": (_("Past week"), dt.timedelta(weeks=1)),
}
HELD: Final = "held"


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """One link of a filter."""

    label: str | Promise
    link: str
    is_chosen: bool
    count: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Filter:
    """A list of links, of which one is chosen. `more` do not fit in a line."""

    title: str | Promise
    choices: Sequence[Choice]
    more: Sequence[Choice] = ()


@dataclasses.dataclass(slots=True)
class RunList:
    """What the list shows. `problem` says why the search cannot be read; then there are no rows."""

    search: str
    rows: Sequence[Mapping[str, Any]] = ()
    filters: Sequence[Filter] = ()
    problem: str = ""
    count: str = ""
    next_link: str = ""
    first_link: str = ""
    is_first: bool = True


def selection(parameters: Mapping[str, str], scope: str) -> dict[str, Any]:
    """Give what the parameters choose, as arguments of `client.list_workflows`; `scope` limits it."""
    text = parameters.get("q", "").strip()
    chosen: dict[str, Any] = {}
    if _QUERY.search(text):
        chosen["query"] = text
    elif text:
        chosen["search"] = text
    if scope:
        chosen["within"] = scope
    status = parameters.get("status", "")
    if status == HELD:
        chosen["held"] = True
    elif status:
        chosen["status"] = status
    if parameters.get("type"):
        chosen["workflow_type"] = parameters["type"]
    period = PERIODS.get(parameters.get("started", ""))
    if period is not None:
        chosen["started_after"] = clock.now() - period[1]
    return chosen


def run_list(parameters: Mapping[str, str], scope: str) -> RunList:
    """Read a page of the list."""
    found = RunList(parameters.get("q", ""))
    kept = {name: parameters[name] for name in _KEPT if parameters.get(name)}
    try:
        chosen = selection(parameters, scope)
        page = client.list_workflows(**chosen, page_size=PAGE).page(parameters.get("cursor", ""))
        found.filters = _filters(kept, scope)
        found.count = _shown(client.count_workflows(cap=_CAP, **chosen))
    except InvalidArgument as error:
        found.problem = str(error)
        return found
    waits = glance([run.run_id for run in page.runs if run.status.is_open])
    now = clock.now()
    found.rows = [
        {
            "run": run,
            "duration": run.duration or (now - run.started_at),
            "waits_for": waits.get(run.run_id, ""),
        }
        for run in page.runs
    ]
    found.is_first = not parameters.get("cursor")
    found.first_link = _link(kept)
    if page.next_cursor is not None:
        found.next_link = _link({**kept, "cursor": page.next_cursor})
    return found


_KEPT: Final = ("q", "status", "type", "started")


def _shown(counted: client.WorkflowCount) -> str:
    return f"{counted.count:,}+" if counted.is_capped else f"{counted.count:,}"


def _filters(kept: Mapping[str, str], scope: str) -> list[Filter]:
    by_status = client.count_workflows(scope, group_by="status", cap=_CAP).groups
    by_type = client.count_workflows(scope, group_by="type", cap=_CAP).groups
    statuses = [(s.value, s.value.replace("_", " ").capitalize()) for s in RunStatus]
    return [
        _filter(
            _("Status"),
            "status",
            [*statuses, (HELD, _("Held"))],
            kept,
            {name: _shown(count) for name, count in by_status.items()},
        ),
        _filter(
            _("Type"),
            "type",
            [(name, name) for name in by_type],
            kept,
            {name: _shown(count) for name, count in by_type.items()},
        ),
        _filter(
            _("Started"), "started", [(name, label) for name, (label, _) in PERIODS.items()], kept
        ),
    ]


def _filter(
    title: str | Promise,
    name: str,
    values: Sequence[tuple[str, str | Promise]],
    kept: Mapping[str, str],
    counts: Mapping[str, str] | None = None,
) -> Filter:
    chosen = kept.get(name, "")
    everything = Choice(_("All"), _link({**kept, name: ""}), not chosen)
    choices = [
        Choice(label, _link({**kept, name: value}), value == chosen, (counts or {}).get(value, ""))
        for value, label in values
    ]
    return Filter(title, [everything, *choices[:_IN_LINE]], choices[_IN_LINE:])


def _link(parameters: Mapping[str, str]) -> str:
    return "?" + urlencode({name: value for name, value in parameters.items() if value})

"""The children of a run, and theirs where somebody opens them: no level is read before it is asked for."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef

from aion import client
from aion.client import WorkflowSummary
from aion.models import Run
from aion.store.dialects import alias

MOST: Final = 200
"""So many runs are shown at once."""
_MOST_OPEN: Final = 20
_DEEPEST: Final = 8  # as far as the page indents


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A run in the tree. `link` opens or closes it; it is empty where there is nothing below."""

    run: WorkflowSummary
    depth: int
    is_open: bool
    link: str


@dataclasses.dataclass(frozen=True, slots=True)
class Tree:
    """What is shown of it; `is_cut` says that there is more."""

    nodes: Sequence[Node]
    is_cut: bool


def tree(root: uuid.UUID, asked: Sequence[str], scope: str) -> Tree:
    """Read the children of a run and of the runs that are open, in two statements."""
    opened = list(_ids(asked))[:_MOST_OPEN]
    parents = ", ".join(f"'{run_id}'" for run_id in (root, *opened))
    page = client.list_workflows(
        f"ParentRunId IN ({parents}) ORDER BY StartTime ASC", within=scope, page_size=MOST
    ).page()
    below: dict[uuid.UUID | None, list[WorkflowSummary]] = {}
    for run in page.runs:
        below.setdefault(run.parent_run_id, []).append(run)
    with_children = _with_children([run.run_id for run in page.runs])
    nodes = list(_walk(root, below, opened, with_children, 0))
    return Tree(nodes, page.next_cursor is not None)


def _ids(asked: Sequence[str]) -> Iterator[uuid.UUID]:
    for text in asked:
        try:
            yield uuid.UUID(text)
        except ValueError:
            continue


def _with_children(run_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Tell which of some runs have children, without counting them."""
    children = Run.objects.using(alias()).filter(parent_run_id=OuterRef("pk"))
    found = Run.objects.using(alias()).filter(Exists(children), pk__in=run_ids)
    return set(found.values_list("pk", flat=True))


def _walk(
    parent: uuid.UUID,
    below: Mapping[uuid.UUID | None, Sequence[WorkflowSummary]],
    opened: Sequence[uuid.UUID],
    with_children: set[uuid.UUID],
    depth: int,
) -> Iterator[Node]:
    for run in below.get(parent, ()):
        is_open = run.run_id in opened
        others = [run_id for run_id in opened if run_id != run.run_id]
        link = _link(others if is_open else [*opened, run.run_id])
        yield Node(run, min(depth, _DEEPEST), is_open, link if run.run_id in with_children else "")
        if is_open:
            yield from _walk(run.run_id, below, opened, with_children, depth + 1)


def _link(opened: Sequence[uuid.UUID]) -> str:
    return "?" + urlencode({"open": [str(run_id) for run_id in opened]}, doseq=True)

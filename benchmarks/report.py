"""The tables, for the terminal and for the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.cases import CASES
from benchmarks.figures import Case, Figure
from benchmarks.goals import OURS, Verdict, judge, number, said
from benchmarks.results import Row

_PART = re.compile(
    r"(<!-- benchmarks: ([\w ]+); `make bench` writes what follows -->\n)(.*?)(<!-- end -->)",
    re.DOTALL,
)
_ALL, _MACHINE = "all", "machine"


def table(rows: Sequence[Row]) -> str:
    """Lay medians out as a Markdown table: a line for each figure, a column for each system."""
    found = _by_place(rows)
    systems = _systems(rows)
    verdicts = judge(rows)
    lines = [
        ["what", "unit", *systems, "goal"],
        ["---", "---", *("---:" for _ in systems), "---"],
    ]
    for case in CASES.values():
        for name, figure in case.figures.items():
            row_name = case.row_name(name)
            cells = [_median(figure, found.get((row_name, system))) for system in systems]
            if any(cells):
                goals = "; ".join(_short(each) for each in verdicts if each.row_name == row_name)
                lines.append([figure.title, figure.unit, *cells, goals])
    return _markdown(lines)


def of_case(case: Case, rows: Sequence[Row]) -> str:
    """Tell one case: a line for each system with medians and extremes, and what became of the goals."""
    names = {case.row_name(name): figure for name, figure in case.figures.items()}
    found = _by_place(row for row in rows if row["case"] in names)
    if not found:
        return "Not measured."
    figures = {name: figure for name, figure in names.items() if name in {key[0] for key in found}}
    lines = [
        [
            "system",
            *(f"{figure.title.removeprefix('... ')}, {figure.unit}" for figure in figures.values()),
        ],
        ["---", *("---:" for _ in figures)],
    ]
    for system in dict.fromkeys(system for _, system in found):
        cells = [_spread(figure, found.get((name, system))) for name, figure in figures.items()]
        lines.append([system, *cells])
    verdicts = [_long(each) for each in judge(rows) if each.row_name in figures]
    goals = ["", *(f"* {sentence}" for sentence in verdicts)] if verdicts else []
    return "\n".join([_markdown(lines), *goals])


def machine(facts: Mapping[str, str], failures: Sequence[str] = ()) -> str:
    """Tell where it was measured, and what could not be."""
    told = [f"* {name}: {value}" for name, value in facts.items()]
    return "\n".join([*told, *(f"* not measured: {sentence}" for sentence in failures)])


def parts(
    rows: Sequence[Row],
    facts: Mapping[str, str],
    *,
    images: Mapping[str, str],
    failures: Sequence[str] = (),
) -> dict[str, str]:
    """Write all parts of the page that are generated, by their names; `images` are links by case."""
    quick = any(row["size"] == "quick" for row in rows)
    note = "Measured in the quick size: a first impression, not more.\n\n" if quick else ""
    told = {
        name: "\n\n".join([of_case(case, rows), *([images[name]] if name in images else [])])
        for name, case in CASES.items()
    }
    return {_ALL: note + table(rows), _MACHINE: machine(facts, failures), **told}


def replaced(page: str, written: Mapping[str, str]) -> str:
    """Put new parts between the marks of a page.

    Raises:
        ValueError: the page has no marks for one of them.
    """
    known = {found[2] for found in _PART.finditer(page)}
    if absent := [name for name in written if name not in known]:
        raise ValueError(f"The page has no marks for {', '.join(absent)}")
    return _PART.sub(
        lambda found: (
            f"{found[1]}\n{written[found[2]]}\n\n{found[4]}" if found[2] in written else found[0]
        ),
        page,
    )


def _by_place(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    return {(row["case"], row["system"]): row for row in rows}


def _systems(rows: Iterable[Row]) -> list[str]:
    """Give the systems, ours first."""
    names = dict.fromkeys(row["system"] for row in rows)
    return sorted(names, key=lambda name: (not name.startswith("aion"), list(names).index(name)))


def _markdown(lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _median(figure: Figure, row: Row | None) -> str:
    return "" if row is None else number(row["value"], figure)


def _spread(figure: Figure, row: Row | None) -> str:
    if row is None:
        return ""
    value = number(row["value"], figure)
    low, high = number(min(row["runs"]), figure), number(max(row["runs"]), figure)
    return value if low == high else f"{value} ({low} to {high})"


def _word(verdict: Verdict) -> str:
    return {True: "met", False: "**missed**", None: "not measured"}[verdict.reached]


def _short(verdict: Verdict) -> str:
    return f"{said(verdict.goal, verdict.figure)}: {_word(verdict)}"


def _long(verdict: Verdict) -> str:
    """Say a goal, what that is in figures, and what was measured."""
    goal = said(verdict.goal, verdict.figure)
    wanted = ""
    if verdict.goal.of and verdict.wanted is not None:
        wanted = f" = {number(verdict.wanted, verdict.figure)}"
    value = number(verdict.value, verdict.figure)
    title = verdict.figure.title.removeprefix("... ")
    return (
        f"{title}: {value} on {OURS}, goal {goal}{wanted} {verdict.figure.unit}: {_word(verdict)}"
    )

"""The table, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmarks.cases import CASES, Figure
from benchmarks.results import Row

BEGIN = "<!-- benchmarks: begin; `make bench` writes what follows -->"
END = "<!-- benchmarks: end -->"


def table(rows: Iterable[Row]) -> str:
    """Lay the rows out as a Markdown table: a line for each figure, a column for each system."""
    by_place = {(row["case"], row["system"]): row for row in rows}
    systems = list(dict.fromkeys(system for _, system in by_place))
    head = ["what", "unit", *systems, "goal"]
    lines = [head, ["---", "---", *("---:" for _ in systems), "---:"]]
    for case in CASES.values():
        for name, figure in case.figures.items():
            found = [by_place.get((case.row_name(name), system)) for system in systems]
            if any(found):
                cells = [_cell(figure, row) for row in found]
                lines.append([figure.title, figure.unit, *cells, _goal(figure)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(figure: Figure, row: Row | None) -> str:
    if row is None:
        return ""
    value = number(row["value"], figure)
    low, high = number(min(row["runs"]), figure), number(max(row["runs"]), figure)
    return value if low == high else f"{value} ({low} to {high})"


def number(value: float, figure: Figure) -> str:
    """Write a value with the figure's digits."""
    return f"{value:,.{figure.digits}f}"


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    sign = "≥" if figure.better == "higher" else "≤"
    return f"{sign} {number(figure.goal, figure)}"


def missed(rows: Iterable[Row], *, system: str) -> list[str]:
    """Say which goals a system missed."""
    goals = {
        case.row_name(name): figure
        for case in CASES.values()
        for name, figure in case.figures.items()
        if figure.goal is not None
    }
    found = []
    for row in rows:
        figure = goals.get(row["case"])
        if figure is None or figure.goal is None or row["system"] != system:
            continue
        over = row["value"] > figure.goal
        if row["value"] != figure.goal and over != (figure.better == "higher"):
            value = number(row["value"], figure)
            found.append(f"{row['case']}: {value} {figure.unit}, goal {_goal(figure)}")
    return found


def section(rows: Iterable[Row], facts: Mapping[str, str], *, quick: bool) -> str:
    """Write the part of the page that is generated."""
    note = ["Measured in the quick size: a first impression, not more.", ""] if quick else []
    told = [f"* {name}: {value}" for name, value in facts.items()]
    return "\n".join([*note, table(rows), "", "The machine:", "", *told])


def replaced(page: str, section: str) -> str:
    """Put a new section between the marks of a page.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{section}\n\n{END}{after}"

"""Pictures of the results, as SVG files that change only where the figures do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.cases import CASES
from benchmarks.goals import figures
from benchmarks.results import Row

BARS: Final = (
    *("starts", "trivial_workflows", "ten_steps_throughput", "remote_activities"),
    *("sequential_step", "start_to_result", "signal_round_trip", "timer_lateness"),
    *("fan_out", "recovery"),
)
"""The cases that several systems do."""
_OURS, _OTHERS = "#1f6f8b", "#b0b7bd"


def draw(rows: Sequence[Row], directory: Path) -> dict[str, str]:
    """Draw what was measured; give a Markdown image for each case that has a picture."""
    directory.mkdir(parents=True, exist_ok=True)
    links = {}
    for name, picture in _pictures(rows):
        _save(picture, directory / f"{name}.svg")
        links[name] = f"![{_title(name)}]({directory.name}/{name}.svg)"
    return links


def _pictures(rows: Sequence[Row]) -> Iterator[tuple[str, Any]]:
    for name in BARS:
        values = {row["system"]: row["value"] for row in rows if row["case"] == name}
        if len(values) > 1:
            yield name, _bars(name, values)
    scaling = _lines(rows, {f"workers_scaling.{n}": float(n) for n in (1, 2, 4)})
    if scaling:
        yield "workers_scaling", _curves(scaling, "worker processes", "steps/s")
    load = {
        row["system"]: [(float(n), value) for n, value in enumerate(row["runs"])]
        for row in rows
        if row["case"] == "long_load.rate" and len(row["runs"]) > 1
    }
    if load:
        yield "long_load", _curves(load, "tenth of the load", "messages/s")


def _lines(
    rows: Iterable[Row], places: Mapping[str, float]
) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["case"] in places:
            lines.setdefault(row["system"], []).append((places[row["case"]], row["value"]))
    return lines


def _title(name: str) -> str:
    return CASES[name].figures[""].title


def _bars(name: str, values: Mapping[str, float]) -> Any:
    """Draw a bar for each system, on a logarithmic scale where they are far apart."""
    picture, axes = _paper(len(values) * 0.35 + 0.9)
    systems = list(reversed(values))
    colours = [_OURS if system.startswith("aion") else _OTHERS for system in systems]
    bars = axes.barh(systems, [values[system] for system in systems], color=colours)
    figure = dict(figures())[name]
    axes.bar_label(bars, fmt=f"{{:,.{figure.digits}f}}", padding=4)
    if min(values.values()) > 0 and max(values.values()) > 20 * min(values.values()):
        axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlabel(f"{figure.unit}, {figure.better} is better")
    return picture


def _curves(lines: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> Any:
    picture, axes = _paper(2.8)
    for system, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=system)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(frameon=False)
    return picture


def _paper(height: float) -> tuple[Any, Any]:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "aion", "font.size": 9})
    picture = Figure(figsize=(7, height), layout="constrained")
    FigureCanvasSVG(picture)
    axes = picture.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return picture, axes


def _save(picture: Any, path: Path) -> None:
    picture.savefig(path, metadata={"Date": None, "Creator": None})

from pathlib import Path

import pytest

from benchmarks import report, results
from benchmarks.cases import CASES
from benchmarks.results import Collected, Row
from tests.conftest import ROOT


def collect(*runs: tuple[str, str, dict[str, float]]) -> list[Row]:
    collected = Collected()
    for case, system, figures in runs:
        collected.add(CASES[case], system, figures)
    return collected.rows(quick=False)


def test_a_row_holds_the_median_of_its_runs() -> None:
    (row,) = collect(*(("starts", "aion-sqlite", {"": value}) for value in (3.0, 1.0, 2.00006)))

    assert row == {
        "case": "starts",
        "system": "aion-sqlite",
        "value": 2.0,
        "unit": "starts/s",
        "better": "higher",
        "runs": [3.0, 1.0, 2.0],
        "size": "full",
    }


def test_a_case_with_several_figures_gives_several_rows() -> None:
    rows = collect(("start_to_result", "aion-sqlite", {"p50": 3.0, "p99": 9.0}))

    assert [row["case"] for row in rows] == ["start_to_result.p50", "start_to_result.p99"]


@pytest.mark.parametrize("figures", [{}, {"p42": 1.0}])
def test_figures_must_be_those_of_the_case(figures: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"start_to_result\.p50"):
        Collected().add(CASES["start_to_result"], "aion-sqlite", figures)


def test_what_was_measured_again_replaces_what_was_known() -> None:
    old = collect(("starts", "a", {"": 1.0}), ("replay", "a", {"pure": 5.0}))
    new = collect(("starts", "a", {"": 2.0}), ("starts", "b", {"": 3.0}))

    rows = results.merged(old, new)

    assert [(row["case"], row["system"], row["value"]) for row in rows] == [
        ("starts", "a", 2.0),
        ("starts", "b", 3.0),
        ("replay.pure", "a", 5.0),
    ]


def test_rows_survive_the_file(tmp_path: Path) -> None:
    rows = collect(("starts", "a", {"": 1.0}))

    results.write(tmp_path / "results.json", rows)

    assert results.read(tmp_path / "results.json") == rows
    assert results.read(tmp_path / "other.json") == []


def test_the_table_has_a_column_for_each_system() -> None:
    rows = collect(
        ("sequential_step", "a", {"": 1.5}),
        ("sequential_step", "a", {"": 1.7}),
        ("starts", "b", {"": 1234.5}),
    )

    assert report.table(rows).splitlines() == [
        "| what | unit | b | a | goal |",
        "| --- | --- | ---: | ---: | ---: |",
        "| Starts, a transaction each, one process | starts/s | 1,234 |  |  |",
        "| A step of one run of many steps | ms/step |  | 1.60 (1.50 to 1.70) | ≤ 1.30 |",
    ]


def test_missed_goals_are_named() -> None:
    rows = collect(
        ("sequential_step", "a", {"": 1.5}),
        ("sequential_step", "b", {"": 1.3}),
        ("linear_cost", "a", {"": 1.0}),
        ("replay", "a", {"pure": 99_000.0, "database": 50_000.0}),
    )

    assert report.missed(rows, system="b") == []
    assert report.missed(rows, system="a") == [
        "sequential_step: 1.50 ms/step, goal ≤ 1.30",
        "replay.pure: 99,000 events/s, goal ≥ 100,000",
    ]


def test_the_section_between_the_marks_is_replaced() -> None:
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"

    changed = report.replaced(page, "new")

    assert changed == f"before\n{report.BEGIN}\n\nnew\n\n{report.END}\nafter\n"
    with pytest.raises(ValueError, match="needs the lines"):
        report.replaced("no marks", "new")


def test_the_page_has_the_marks() -> None:
    page = (ROOT / "docs" / "explanation" / "performance.md").read_text()

    assert "new" in report.replaced(page, "new")

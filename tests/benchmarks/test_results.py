from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import machine, results
from benchmarks.cases import CASES
from benchmarks.results import Collected
from tests.benchmarks.rows import collect


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
    rows = collect(("start_to_result", "aion-sqlite", {"": 3.0, "p99": 9.0}))

    assert [row["case"] for row in rows] == ["start_to_result", "start_to_result.p99"]


def test_a_run_may_give_several_values_of_a_figure() -> None:
    (row,) = collect(("long_load", "aion-sqlite", {"rate": [30.0, 10.0, 20.0]}))

    assert (row["value"], row["runs"]) == (20.0, [30.0, 10.0, 20.0])


@pytest.mark.parametrize("figures", [{}, {"p42": 1.0}, {"rate": []}])
def test_figures_must_be_those_of_the_case(figures: dict[str, float | Sequence[float]]) -> None:
    with pytest.raises(ValueError, match=r"long_load\.rate"):
        Collected().add(CASES["long_load"], "aion-sqlite", figures)


def test_what_was_measured_again_replaces_what_was_known() -> None:
    old = collect(("starts", "a", {"": 1.0}), ("replay", "a", {"database": 5.0}))
    new = collect(("starts", "a", {"": 2.0}), ("starts", "b", {"": 3.0}))

    rows = results.merged(old, new)

    assert [(row["case"], row["system"], row["value"]) for row in rows] == [
        ("starts", "a", 2.0),
        ("starts", "b", 3.0),
        ("replay.database", "a", 5.0),
    ]


def test_rows_survive_the_file(tmp_path: Path) -> None:
    rows = collect(("starts", "a", {"": 1.0}))

    results.write(tmp_path / "results.json", rows)

    assert results.read(tmp_path / "results.json") == rows
    assert results.read(tmp_path / "other.json") == []


def test_facts_survive_the_file(tmp_path: Path) -> None:
    machine.write(tmp_path / "machine.json", {"Python": "3"}, ["it rained"])

    assert machine.read(tmp_path / "machine.json") == ({"Python": "3"}, ["it rained"])
    assert machine.read(tmp_path / "other.json") == ({}, [])

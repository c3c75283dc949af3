import re

import pytest

from benchmarks import report
from benchmarks.cases import CASES
from tests.benchmarks.rows import collect
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "explanation" / "performance.md"


def test_the_table_has_a_column_for_each_system_and_judges() -> None:
    rows = collect(
        ("sequential_step", "dbos-postgres", {"": 4.0}),
        ("sequential_step", "aion-postgres", {"": 1.5}),
        ("sequential_step", "aion-postgres", {"": 1.7}),
        ("starts", "dbos-postgres", {"": 1234.5}),
    )

    assert report.table(rows).splitlines() == [
        "| what | unit | aion-postgres | dbos-postgres | goal |",
        "| --- | --- | ---: | ---: | --- |",
        "| Starts, a transaction each, one process | starts/s |  | 1,234 |  |",
        "| A step of one run of many steps | ms/step | 1.60 | 4.00 "
        "| ≤ 0.3 x dbos-postgres: **missed**; ≤ 0.7 x absurd-postgres: not measured |",
    ]


def test_a_case_tells_its_extremes_and_its_goals() -> None:
    rows = collect(
        ("linear_cost", "aion-postgres", {"": 0.9}),
        ("linear_cost", "aion-postgres", {"": 1.1}),
        ("linear_cost", "aion-sqlite", {"": 1.0}),
        ("starts", "aion-sqlite", {"": 1.0}),
    )

    assert report.of_case(CASES["linear_cost"], rows).splitlines() == [
        "| system | A step of a long run over one of a short run, ratio |",
        "| --- | ---: |",
        "| aion-postgres | 1.00 (0.90 to 1.10) |",
        "| aion-sqlite | 1.00 |",
        "",
        "* A step of a long run over one of a short run: 1.00 on aion-postgres, goal ≤ 1.20 ratio: met",
    ]
    assert report.of_case(CASES["replay"], rows) == "Not measured."


def test_parts_of_the_page_are_replaced_and_the_rest_is_kept() -> None:
    mark = "<!-- benchmarks: {}; `make bench` writes what follows -->"
    page = f"a\n{mark.format('all')}\nold\n<!-- end -->\nb\n{mark.format('starts')}\n<!-- end -->\n"

    changed = report.replaced(page, {"all": "new"})

    assert changed == page.replace("\nold\n", "\n\nnew\n\n")
    assert report.replaced(changed, {"all": "new"}) == changed
    with pytest.raises(ValueError, match="no marks for replay"):
        report.replaced(page, {"replay": "new"})


def test_the_page_has_a_place_for_every_part() -> None:
    rows = collect(("starts", "aion-postgres", {"": 1.0}), quick=True)
    image = {"starts": "![starts](images/starts.svg)"}

    parts = report.parts(rows, {"Python": "3"}, images=image, failures=["it rained"])

    page = report.replaced(PAGE.read_text(), parts)
    assert "quick size" in parts["all"]
    assert "* not measured: it rained" in page
    assert "images/starts.svg" in page
    assert [
        name for name in CASES if not re.search(f"^## `{name}`|^### `{name}`", page, re.M)
    ] == []

import pytest

from benchmarks.cases import CASES
from benchmarks.figures import Goal
from benchmarks.measuring import milliseconds, percentile, wait_until
from benchmarks.plan import Plan
from benchmarks.systems import SYSTEMS, missing
from tests.conftest import ROOT

FUNCTIONS = sorted({path for system in SYSTEMS.values() for path in system.CASES.values()})


def test_systems_take_turns_within_a_case() -> None:
    starts, replay = CASES["starts"], CASES["replay"]
    wanted = {"one": [starts, replay], "other": [starts]}

    plan = Plan.interleaved(wanted, quick=True, runs=2)

    assert [(m.case.name, m.system) for m in plan.measurements] == [
        ("starts", "one"),
        ("starts", "other"),
        ("starts", "one"),
        ("starts", "other"),
        ("replay", "one"),
        ("replay", "one"),
    ]


def test_each_case_has_its_own_number_of_runs() -> None:
    case = CASES["starts"]

    plans = [Plan.interleaved({"one": [case]}, quick=quick) for quick in (False, True)]

    assert [len(plan.measurements) for plan in plans] == list(case.runs)


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_offer_known_cases(name: str) -> None:
    system = SYSTEMS[name]

    assert set(system.CASES) <= set(CASES)
    assert set(system.QUICK) <= set(system.CASES)


def test_aion_on_postgresql_does_every_case() -> None:
    assert set(SYSTEMS["aion-postgres"].CASES) == set(CASES)


def test_goals_compare_with_systems_that_do_the_case() -> None:
    compared = [
        (case.name, goal)
        for case in CASES.values()
        for figure in case.figures.values()
        for goal in figure.goals
        if goal.of
    ]

    assert [one for one in compared if one[0] not in SYSTEMS[one[1].of].CASES] == []
    assert ("starts", Goal(3, "dbos-postgres")) in compared


@pytest.mark.parametrize("path", FUNCTIONS)
def test_every_case_has_its_function(path: str) -> None:
    module, _, name = path.partition(":")
    source = ROOT.joinpath(*module.split(".")).with_suffix(
        ".py"
    )  # what it imports may not be there

    assert f"\ndef {name}(size: Size) -> Figures:" in source.read_text()


def test_every_case_has_a_figure_of_its_own_name() -> None:
    assert [case.name for case in CASES.values() if "" not in case.figures] == []


def test_both_sizes_of_a_case_use_the_same_words() -> None:
    assert [case.name for case in CASES.values() if set(case.full) != set(case.quick)] == []


def test_a_system_without_its_server_or_its_package_says_so() -> None:
    class Absent:
        NEEDS = ("SOME_URL", "OTHER_URL")
        PACKAGES = ("json", "no_such_module", "/no/such/program")

    found = missing(Absent(), {"SOME_URL": "somewhere", "OTHER_URL": ""})  # type: ignore[arg-type]

    assert found == [
        "OTHER_URL is not set",
        "no_such_module is not installed",
        "/no/such/program is not installed",
    ]


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 50), (99, 99), (100, 100)])
def test_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_percentiles_of_few_values() -> None:
    assert milliseconds([0.003]) == {"": 3.0, "p99": 3.0}


def test_waiting_ends() -> None:
    wait_until(lambda: True, timeout=0)
    with pytest.raises(TimeoutError):
        wait_until(lambda: False, timeout=0.01)

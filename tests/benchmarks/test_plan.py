from importlib import import_module

import pytest

from benchmarks.cases import CASES, Plan
from benchmarks.measuring import milliseconds, percentile, wait_until
from benchmarks.systems import SYSTEMS


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
    assert set(SYSTEMS[name].CASES) <= set(CASES)


def test_both_databases_of_aion_do_every_case() -> None:
    assert set(SYSTEMS["aion-postgres"].CASES) == set(SYSTEMS["aion-sqlite"].CASES) == set(CASES)


@pytest.mark.parametrize("path", sorted(SYSTEMS["aion-sqlite"].CASES.values()))
def test_every_case_has_its_function(path: str) -> None:
    module, _, name = path.partition(":")

    assert callable(getattr(import_module(module), name))


def test_both_sizes_of_a_case_use_the_same_words() -> None:
    assert [case.name for case in CASES.values() if set(case.full) != set(case.quick)] == []


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 50), (99, 99), (100, 100)])
def test_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_percentiles_of_few_values() -> None:
    assert milliseconds([0.003]) == {"p50": 3.0, "p99": 3.0}


def test_waiting_ends() -> None:
    wait_until(lambda: True, timeout=0)
    with pytest.raises(TimeoutError):
        wait_until(lambda: False, timeout=0.01)

from benchmarks import goals
from tests.benchmarks.rows import collect


def test_a_goal_may_be_a_number() -> None:
    rows = collect(("replay", "aion-postgres", {"": 99_000.0, "database": 50_000.0}))

    assert [(each.row_name, each.reached) for each in goals.judge(rows)] == [
        ("replay", False),
        ("replay.database", True),
    ]


def test_a_goal_may_be_a_multiple_of_a_peer() -> None:
    rows = collect(
        ("sequential_step", "aion-postgres", {"": 1.5}),
        ("sequential_step", "dbos-postgres", {"": 5.0}),
        ("sequential_step", "absurd-postgres", {"": 1.4}),
    )

    found = [(each.goal.of, each.wanted, each.reached) for each in goals.judge(rows)]

    assert found == [("dbos-postgres", 1.5, True), ("absurd-postgres", 0.7 * 1.4, False)]


def test_a_peer_that_was_not_measured_decides_nothing() -> None:
    rows = collect(("starts", "aion-postgres", {"": 1.0}))

    (verdict,) = goals.judge(rows)

    assert (verdict.wanted, verdict.reached) == (None, None)
    assert goals.missed(rows) == []


def test_more_is_better_where_the_figure_says_so() -> None:
    rows = collect(
        ("starts", "aion-postgres", {"": 300.0}), ("starts", "dbos-postgres", {"": 99.0})
    )

    assert [each.reached for each in goals.judge(rows)] == [True]


def test_missed_goals_are_named_with_their_figures() -> None:
    rows = collect(
        ("sequential_step", "aion-postgres", {"": 1.5}),
        ("sequential_step", "dbos-postgres", {"": 4.0}),
        ("linear_cost", "aion-postgres", {"": 1.0}),
        ("replay", "aion-postgres", {"": 99_000.0}),
    )

    assert goals.missed(rows) == [
        "sequential_step: 1.50 ms/step, goal ≤ 0.3 x dbos-postgres = 1.20",
        "replay: 99,000 events/s, goal ≥ 100,000",
    ]

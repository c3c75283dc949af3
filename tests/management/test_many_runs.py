"""The commands that list, count and act on many runs."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from aion import client, workflow
from aion.core.errors import PayloadUnserializable
from aion.core.status import RunStatus
from aion.models import Run
from aion.operations import bulk
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

Manage = Callable[..., Any]


class Terminal(io.StringIO):
    """An error output that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def waiting(engine: Engine, clock: StandingClock, script: Any) -> list[client.WorkflowHandle]:
    """Three runs that wait for notes; they started a minute apart."""

    @script
    async def main(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: "end" in me.notes)
        return me.notes

    handles = []
    for number in range(3):
        handles.append(engine.start("main", id=f"run-{number}", search_attributes={"n": number}))
        clock.move(60)
    engine.turns()
    return handles


def statuses() -> list[str]:
    return list(Run.objects.order_by("workflow_id").values_list("status", flat=True))


def code_of(manage: Manage, *arguments: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        manage(*arguments)
    return caught.value.returncode, str(caught.value)


# --- lists ----------------------------------------------------------------------------------------


def test_a_list_has_a_line_for_each_run(
    waiting: list[client.WorkflowHandle], engine: Engine, clock: StandingClock, manage: Manage
) -> None:
    waiting[0].signal("note", "end")
    engine.go()
    Run.objects.filter(workflow_id="run-1").update(held_until=clock.at)

    heading, *lines = manage("list_workflows").splitlines()

    assert heading.split() == ["WORKFLOW", "ID", "TYPE", "STATUS", "STARTED", "DURATION"]
    assert [line.split()[0] for line in lines] == ["run-2", "run-1", "run-0"]
    assert lines[0].split()[1:3] == ["kit.Scripted", "running"]
    assert lines[0].endswith("-")
    assert "running (held)" in lines[1]
    assert "completed" in lines[2]
    assert lines[2].endswith("3m")


def test_a_list_is_narrowed(waiting: list[client.WorkflowHandle], manage_json: Manage) -> None:
    def ids(*arguments: str) -> list[str]:
        return [run["workflow_id"] for run in manage_json("list_workflows", *arguments)["runs"]]

    assert ids("n >= 1 ORDER BY StartTime ASC") == ["run-1", "run-2"]
    assert ids("--search", "run-0") == ["run-0"]
    assert ids("--type", "kit.greet") == []
    waiting[0].terminate()
    assert ids("--status", "terminated") == ["run-0"]
    assert ids("--status", "running", "--status", "terminated", "n < 2") == ["run-1", "run-0"]


def test_a_list_goes_on_behind_its_cursor(
    waiting: list[client.WorkflowHandle], manage: Manage, manage_json: Manage
) -> None:
    first = manage_json("list_workflows", "--limit", "2")
    rest = manage_json("list_workflows", "--limit", "2", "--cursor", first["next_cursor"])

    assert [run["workflow_id"] for run in first["runs"] + rest["runs"]] == [
        "run-2",
        "run-1",
        "run-0",
    ]
    assert rest["next_cursor"] is None
    assert f"--cursor {first['next_cursor']}" in manage("list_workflows", "--limit", "2")
    assert manage("list_workflows", "n = 9") == "No runs\n"
    assert code_of(manage, "list_workflows", "--limit", "0")[0] == 2
    assert code_of(manage, "list_workflows", "--cursor", "none")[0] == 1


def test_long_lists_are_read_page_by_page(
    waiting: list[client.WorkflowHandle], manage_json: Manage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aion.management.commands.list_workflows._LARGEST_PAGE", 1)

    answer = manage_json("list_workflows", "--limit", "2")

    assert [run["workflow_id"] for run in answer["runs"]] == ["run-2", "run-1"]
    assert answer["next_cursor"] is not None


@pytest.mark.parametrize("command", ["list_workflows", "count_workflows"])
def test_an_unreadable_query_is_shown_with_the_place(manage: Manage, command: str) -> None:
    code, text = code_of(manage, command, "StartTime > AND")

    assert code == 2
    first, query, caret = text.splitlines()
    assert first.startswith("invalid_list_query: ")
    assert query.strip() == "StartTime > AND"
    assert query[caret.index("^") :].startswith("AND")


def test_runs_are_counted_up_to_a_cap(
    waiting: list[client.WorkflowHandle], manage: Manage, manage_json: Manage
) -> None:
    waiting[0].terminate()

    assert manage("count_workflows", "n >= 1") == "2\n"
    assert manage("count_workflows", "--cap", "2") == "2+\n"
    table = [
        line.split() for line in manage("count_workflows", "--group-by", "status").splitlines()
    ]
    assert sorted(table) == sorted(
        [["STATUS", "RUNS"], ["running", "2"], ["terminated", "1"], ["in", "all", "3"]]
    )
    answer = manage_json("count_workflows", "--group-by", "type")
    assert answer["groups"]["kit.Scripted"]["count"] == 3


# --- many runs ------------------------------------------------------------------------------------


def test_each_verb_is_done_to_all_of_a_query(
    waiting: list[client.WorkflowHandle], engine: Engine, manage_json: Manage
) -> None:
    def done(verb: str, *arguments: str) -> list[str]:
        answer = manage_json(f"{verb}_workflow", "--query", "n >= 1", *arguments)
        assert (answer["matched"], answer["done"], answer["failed"]) == (2, 2, 0)
        engine.go()
        return statuses()

    assert done("pause", "--reason", "x") == ["running", "paused", "paused"]
    assert done("resume") == ["running"] * 3
    assert done("terminate") == ["running", "terminated", "terminated"]
    assert done("reopen") == ["running"] * 3
    assert done("signal", "note", '"end"', "--request-id", "r") == [
        "running",
        "completed",
        "completed",
    ]
    answer = manage_json("cancel_workflow", "--query", "n = 0", "--reason", "over")
    engine.go()
    assert answer["done"] == 1
    assert statuses()[0] == "cancelled"


def test_a_dry_run_counts_and_a_limit_stops(
    waiting: list[client.WorkflowHandle], manage: Manage, manage_json: Manage
) -> None:
    every = ("terminate_workflow", "--query", "n >= 0")

    assert manage(*every, "--dry-run") == "3 runs would be terminated\n"
    assert statuses() == ["running"] * 3
    first = manage_json(*every, "--limit", "2")
    assert statuses() == ["terminated", "terminated", "running"]
    assert manage(*every, "--cursor", first["cursor"]) == "1 of 1 runs terminated\n"
    assert statuses() == ["terminated"] * 3


def test_some_that_fail_are_named_and_the_exit_code_says_so(
    waiting: list[client.WorkflowHandle], manage: Manage, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_signal = bulk.signal

    def signal(workflow_id: None, run_id: Any, *rest: Any, **options: Any) -> None:
        if run_id == waiting[1].run_id:
            raise PayloadUnserializable("no form")
        true_signal(workflow_id, run_id, *rest, **options)

    monkeypatch.setattr(bulk, "signal", signal)
    out = io.StringIO()

    with pytest.raises(CommandError) as caught:
        call_command("signal_workflow", "--query", "n >= 0", "note", "1", stdout=out)

    assert caught.value.returncode == 1
    assert "1 of 3 runs failed" in str(caught.value)
    assert "2 of 3 runs signalled, 1 failed" in out.getvalue()
    assert "run-1" in out.getvalue()


def test_progress_is_written_for_people_only(waiting: list[client.WorkflowHandle]) -> None:
    def errors(stream: io.StringIO) -> str:
        call_command(
            "pause_workflow", "--query", "n >= 0", "--dry-run", stdout=io.StringIO(), stderr=stream
        )
        return stream.getvalue()

    assert "3 runs would be paused" in errors(Terminal())
    assert errors(io.StringIO()) == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("cancel_workflow",),
        ("cancel_workflow", "run-0", "--query", "n >= 0"),
        ("cancel_workflow", "run-0", "--dry-run"),
        ("cancel_workflow", "run-0", "--limit", "1"),
        (
            "cancel_workflow",
            "--query",
            "n >= 0",
            "--run-id",
            "0190b7a4-0000-7000-8000-000000000000",
        ),
        ("signal_workflow", "run-0"),
        ("signal_workflow", "run-0", "note", "--query", "n >= 0"),
        ("pause_workflow", "--query", "n >> 0"),
    ],
)
def test_what_does_not_go_together_changes_nothing(
    waiting: list[client.WorkflowHandle], manage: Manage, arguments: tuple[str, ...]
) -> None:
    assert code_of(manage, *arguments)[0] == 2
    assert set(statuses()) == {RunStatus.RUNNING}
    assert all(len(handle.fetch_history()) == 1 for handle in waiting)


def test_an_empty_query_means_no_run(waiting: list[client.WorkflowHandle], manage: Manage) -> None:
    assert code_of(manage, "terminate_workflow", "--query", "")[0] == 1
    assert statuses() == ["running"] * 3

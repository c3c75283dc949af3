"""The commands about one run: what they do, write, and refuse with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from aion import ApplicationError, client, workflow
from aion.client import WorkflowHandle
from aion.core import events
from aion.core.history import from_lines
from tests.conftest import ROOT
from tests.language.worlds import found, status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

Manage = Callable[..., Any]


@pytest.fixture
def waiting(engine: Engine, clock: StandingClock, script: Any) -> WorkflowHandle:
    """A run that waits for a note, and fails if the note is "fail"."""

    @script
    async def main(me: kit.Scripted) -> Any:
        await workflow.sleep(5)
        await workflow.wait_condition(lambda: me.notes)
        if me.notes[0] == "fail":
            raise ApplicationError("told to", type="Told")
        return me.notes

    handle = engine.start("main", id="order-42")
    engine.go()
    clock.move(6)
    engine.go()
    return handle


def code_of(manage: Manage, *arguments: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        manage(*arguments)
    return caught.value.returncode, str(caught.value)


# --- starting --------------------------------------------------------------------------------------


def test_a_start_gives_the_ids_and_joins_a_repeat(
    engine: Engine, manage: Manage, manage_json: Manage
) -> None:
    arguments = ("start_workflow", "kit.greet", '"ann"', "--id", "hello", "--request-id", "r1")
    first = manage_json(*arguments)
    again = manage_json(*arguments)

    assert first["created"] is True
    assert again == {**first, "created": False}
    engine.go()
    assert client.get_workflow_handle("hello").result(0).text == "hello ann"
    assert f"hello: was there (run {first['run_id']})" in manage(*arguments)


def test_a_start_passes_its_options_on(engine: Engine, manage_json: Manage) -> None:
    answer = manage_json(
        "start_workflow",
        "kit.greet",
        "--kwargs",
        '{"name": "bob"}',
        "--memo",
        '{"by": "me"}',
        "--run-timeout",
        "90",
    )

    run = client.get_workflow_handle(answer["workflow_id"]).describe()
    assert run.memo == {"by": "me"}
    assert (
        found(WorkflowHandle(run.workflow_id), events.WorkflowStarted)[0].run_timeout.seconds == 90
    )


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("kit.Nothing",), 3, "unknown_type"),
        (("kit.greet",), 1, "type_error"),
        (("kit.greet", "ann"), 2, "A string needs its quotes"),
        (("kit.greet", '"ann"', "--kwargs", "[1]"), 2, "must be a JSON object"),
        (("kit.greet", '"ann"', "--run-timeout", "-4"), 1, "invalid_argument"),
    ],
)
def test_a_wrong_start_changes_nothing(
    manage: Manage, arguments: tuple[str, ...], code: int, text: str
) -> None:
    before = counts()

    assert code_of(manage, "start_workflow", *arguments)[0] == code
    assert text in code_of(manage, "start_workflow", *arguments)[1]
    assert counts() == before


# --- looking ---------------------------------------------------------------------------------------


def test_a_description_says_where_the_run_stands(
    waiting: WorkflowHandle, manage: Manage, manage_json: Manage
) -> None:
    text = manage("describe_workflow", "order-42", "--history", "--stack")
    data = manage_json("describe_workflow", "order-42", "--history", "--stack")

    assert "kit.Scripted" in text
    assert "test_run_commands.py" in text
    assert [line.split()[3] for line in text.splitlines()[-3:]] == [
        "WorkflowStarted",
        "TimerStarted",
        "TimerFired",
    ]
    assert data["status"] == "running"
    assert [one["kind"] for one in data["history"]][1:] == ["TimerStarted", "TimerFired"]
    assert "main" in data["stack"]


def test_a_failure_is_shown_with_its_traceback(
    waiting: WorkflowHandle, engine: Engine, manage: Manage
) -> None:
    waiting.signal("note", "fail")
    engine.go()

    text = manage("describe_workflow", "order-42")

    assert "Told: told to" in text
    assert "in main" in text


def test_a_query_is_answered_in_json(
    waiting: WorkflowHandle, engine: Engine, manage: Manage
) -> None:
    assert "main" in manage("query_workflow", "order-42", "__stack_trace")
    waiting.signal("note", {"a": 1})
    engine.go()

    assert json.loads(manage("query_workflow", "order-42", "read")) == [{"a": 1}]
    assert code_of(manage, "query_workflow", "order-42", "nothing")[0] == 3


def test_a_history_is_exported_and_reads_back(
    waiting: WorkflowHandle, manage: Manage, manage_json: Manage, tmp_path: Path
) -> None:
    file = tmp_path / "history.jsonl"
    answer = manage_json("export_history", "order-42", "--output", str(file))

    assert answer["events"] == 3
    assert from_lines(file.read_bytes().splitlines()) == waiting.fetch_history()
    assert manage("export_history", "order-42") == file.read_text()
    assert (
        "cannot be written"
        in code_of(manage, "export_history", "order-42", "--output", str(tmp_path / "no" / "way"))[
            1
        ]
    )


# --- acting ----------------------------------------------------------------------------------------


def test_a_signal_arrives_once_for_each_request_id(
    waiting: WorkflowHandle, engine: Engine, manage: Manage
) -> None:
    for _ in range(2):
        text = manage("signal_workflow", "order-42", "note", "[7]", "--request-id", "once")
    engine.go()

    assert "order-42: signalled" in text
    assert waiting.result(0) == [[7]]


def test_the_course_of_a_run_is_changed(
    waiting: WorkflowHandle, engine: Engine, manage_json: Manage
) -> None:
    def done(*arguments: str) -> str:
        answer = manage_json(*arguments, "--reason", "because")
        assert answer["run_id"] == str(waiting.describe().run_id)
        engine.go()
        return status("order-42")

    assert done("pause_workflow", "order-42") == "paused"
    assert done("resume_workflow", "order-42") == "running"
    assert done("terminate_workflow", "order-42") == "terminated"
    assert done("reopen_workflow", "order-42") == "running"
    assert done("cancel_workflow", "order-42") == "cancelled"
    reasons = [r.attributes.get("reason") for r in waiting.fetch_history()]
    assert reasons.count("because") >= 4


def test_a_reset_gives_the_new_run(
    waiting: WorkflowHandle, engine: Engine, manage_json: Manage
) -> None:
    waiting.signal("note", "fail")
    engine.go()

    answer = manage_json("reset_workflow", "order-42", "--to-seq", "3", "--drop-signals")
    engine.go()

    assert uuid.UUID(answer["run_id"]) != waiting.run_id
    assert answer["status"] == "running"
    assert status("order-42") == "running"


@pytest.mark.parametrize("verb", ["cancel", "terminate", "pause", "resume", "reopen", "release"])
def test_what_is_not_there_is_said(manage: Manage, verb: str) -> None:
    code, text = code_of(manage, f"{verb}_workflow", "order-43")

    assert code == 3
    assert text.startswith("run_not_found: ")
    assert "order-43" in text


def test_a_state_that_forbids_it_is_said(
    waiting: WorkflowHandle, engine: Engine, manage: Manage
) -> None:
    assert code_of(manage, "resume_workflow", "order-42")[0] == 4
    waiting.signal("note", 1)
    engine.go()
    before = counts()

    for name in ("cancel", "terminate", "pause", "reopen"):
        assert code_of(manage, f"{name}_workflow", "order-42")[0] == 4
    assert code_of(manage, "signal_workflow", "order-42", "note")[0] == 4
    assert counts() == before


def test_an_update_that_nobody_answers_runs_out_of_time(
    waiting: WorkflowHandle, manage: Manage
) -> None:
    arguments = ("update_workflow", "order-42", "nothing", "--timeout", "0.01", "--id", "u")

    assert code_of(manage, *arguments)[0] == 5


@pytest.mark.django_db(transaction=True)
def test_the_exit_code_leaves_the_process(process_environment: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "cancel_workflow", "nobody"],
        cwd=ROOT,
        env=process_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 3
    assert "run_not_found" in ended.stderr
    assert "Traceback" not in ended.stderr

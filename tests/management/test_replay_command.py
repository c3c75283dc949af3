"""Replaying stored runs and files against the code that is here."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from aion import client, workflow
from aion.models import Event, Message, Run
from aion_engine.testing import open_runs
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

Manage = Callable[..., Any]


@pytest.fixture
def recorded(
    engine: Engine, clock: StandingClock, script: Any, manage: Manage, tmp_path: Path
) -> Path:
    """Two open runs that slept, a closed one, and a file with the history of the first."""

    @script
    async def main(me: kit.Scripted) -> Any:
        await workflow.sleep(5)
        await workflow.wait_condition(lambda: me.notes)

    for name in ("run-0", "run-1", "closed"):
        engine.start("main", id=name)
        clock.move(1)
    client.start_workflow(kit.greet, "ada", id="greeting")
    engine.go()
    clock.move(6)
    client.get_workflow_handle("closed").signal("note", 1)
    engine.go()
    file = tmp_path / "run-0.jsonl"
    manage("export_history", "run-0", "--output", str(file))
    return file


@pytest.fixture
def changed(recorded: Path, script: Any) -> Path:
    """The same, and code that no longer sleeps."""

    @script
    async def main(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: me.notes)

    return recorded


def counts(answer: dict[str, Any]) -> tuple[int, int, int]:
    return answer["ok"], answer["changed"], answer["failed"]


def failed(*arguments: str) -> tuple[str, CommandError]:
    """What a command wrote that found misfits, and its error."""
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("replay_workflows", *arguments, stdout=out)
    return out.getvalue(), caught.value


def test_all_that_fits_is_counted_and_nothing_changes(
    recorded: Path, manage: Manage, manage_json: Manage
) -> None:
    before = (
        list(Run.objects.order_by("id").values()),
        list(Event.objects.order_by("run_id", "seq").values()),
        Message.objects.count(),
    )

    assert manage("replay_workflows") == "2 histories: 2 ok, 0 changed, 0 failed\n"
    answer = manage_json("replay_workflows", "--closed")
    assert counts(answer) == (4, 0, 0)
    assert answer["misfits"] == []
    assert answer["events"] == Event.objects.count()
    assert before == (
        list(Run.objects.order_by("id").values()),
        list(Event.objects.order_by("run_id", "seq").values()),
        Message.objects.count(),
    )


def test_the_runs_and_files_are_chosen(recorded: Path, manage_json: Manage) -> None:
    def total(*arguments: str) -> int:
        return int(manage_json("replay_workflows", *arguments)["ok"])

    assert total(str(recorded)) == 1
    assert total(str(recorded), "--type", "kit.Scripted") == 3
    assert total("--type", "kit.greet") == 0
    assert total("--type", "kit.greet", "--closed") == 1
    assert total("--query", "WorkflowId = 'run-1'") == 1
    assert total("--workflow-id", "closed") == 1
    assert total("--limit", "1") == 1


def test_each_misfit_is_shown_with_its_place(changed: Path) -> None:
    text, error = failed()

    assert error.returncode == 1
    assert "2 do not fit the code" in str(error)
    for name in ("run-0", "run-1"):
        run = client.get_workflow_handle(name).describe()
        assert f"kit.Scripted {name} (run {run.run_id})" in text
    assert "event 2:" in text
    assert "history has: " in text
    assert text.endswith("2 histories: 0 ok, 2 changed, 0 failed\n")


def test_misfits_are_told_as_json(changed: Path) -> None:
    answer = json.loads(failed(str(changed), "--workflow-id", "run-1", "--json")[0])

    assert counts(answer) == (0, 2, 0)
    [file, run] = answer["misfits"]
    assert (file["file"], file["workflow_id"], file["run_id"]) == (str(changed), "run-0", None)
    assert run["file"] is None
    assert run["run_id"] == str(client.get_workflow_handle("run-1").describe().run_id)
    for one in (file, run):
        assert (one["code"], one["seq"]) == ("non_determinism", 2)
        assert "TimerStarted" in one["expected"]
        assert one["found"] == "nothing"


def test_what_cannot_be_read_has_failed(recorded: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("no history")

    text, error = failed(str(broken), str(tmp_path / "none.jsonl"), str(recorded))

    assert error.returncode == 1
    assert "3 histories: 1 ok, 0 changed, 2 failed" in text
    assert f"{broken}: " in text
    assert "No such file" in text


def test_histories_are_read_in_small_batches(
    recorded: Path, manage: Manage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    load_rows = open_runs.histories.load_rows

    def load(run_ids: Any) -> Any:
        wanted = list(run_ids)
        sizes.append(len(wanted))
        return load_rows(wanted)

    monkeypatch.setattr(open_runs.histories, "load_rows", load)
    monkeypatch.setattr(open_runs, "_MOST_EVENTS", 7)

    assert "4 histories: 4 ok" in manage("replay_workflows", "--closed")
    assert sum(sizes) == 4
    assert len(sizes) > 1
    sizes.clear()
    monkeypatch.setattr(open_runs, "_MOST_EVENTS", 1)
    assert "4 histories: 4 ok" in manage("replay_workflows", "--closed")
    assert sizes == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--workflow-id", "run-0", "--type", "kit.Scripted"),
        ("--workflow-id", "run-0", "--closed"),
        ("file.jsonl", "--limit", "1"),
        ("--query", "n >> 1"),
    ],
)
def test_what_does_not_go_together_is_refused(recorded: Path, arguments: tuple[str, ...]) -> None:
    assert failed(*arguments)[1].returncode == 2


def test_a_run_that_is_not_there_is_said(recorded: Path) -> None:
    assert failed("--workflow-id", "nobody")[1].returncode == 3


def test_misfits_and_progress_have_lines_of_their_own(
    changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("aion_engine.management.commands.replay_workflows._OFTEN", 1)
    terminal = Terminal()

    with pytest.raises(CommandError):
        call_command("replay_workflows", stdout=terminal, stderr=terminal)

    lines = terminal.getvalue().splitlines()
    assert any(line.startswith("kit.Scripted run-0") for line in lines)
    assert any(line.startswith("1 histories: 0 ok, 1 changed") for line in lines)

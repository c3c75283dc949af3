"""The commands about schedules, about single activities, and the options of a start."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management.base import CommandError

from aion import client
from aion.client import ScheduleHandle
from aion.core import events
from aion.models import Run
from tests.client.operated import World, failing, world
from tests.language.worlds import found
from tests.support.engine import Engine
from tests.support.kit import greet

__all__ = ["world"]

pytestmark = pytest.mark.django_db

Manage = Callable[..., Any]


def code_of(manage: Manage, *arguments: str) -> int:
    with pytest.raises(CommandError) as caught:
        manage(*arguments)
    return caught.value.returncode


# --- schedules ------------------------------------------------------------------------------------


@pytest.fixture
def schedule(engine: Engine) -> ScheduleHandle:
    return client.create_schedule("nightly", greet, "ada", spec=dt.timedelta(hours=1))


def test_schedules_are_listed(
    schedule: ScheduleHandle, manage: Manage, manage_json: Manage
) -> None:
    client.create_schedule("other", greet, "bob", spec="0 9 * * *", paused=True, note="later")

    lines = manage("list_schedules").splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["nightly", "kit.greet", "active"],
        ["other", "kit.greet", "paused"],
    ]
    assert lines[2].endswith("later")

    def ids(*arguments: str) -> list[str]:
        found = manage_json("list_schedules", *arguments)["schedules"]
        return [one["schedule_id"] for one in found]

    assert ids("--paused") == ["other"]
    assert ids("--no-paused") == ["nightly"]
    assert ids("--after", "nightly") == ["other"]
    assert ids("--limit", "1") == ["nightly"]
    assert ids("--type", "none") == []


def test_a_schedule_is_described_paused_and_resumed(
    schedule: ScheduleHandle, manage: Manage, manage_json: Manage
) -> None:
    assert manage_json("pause_schedule", "nightly", "--note", "quiet") == {
        "schedule_id": "nightly",
        "paused": True,
        "next_at": None,
        "done": "paused",
    }
    data = manage_json("describe_schedule", "nightly")
    assert (data["paused"], data["note"]) == (True, "quiet")
    assert "quiet" in manage("describe_schedule", "nightly")
    assert code_of(manage, "pause_schedule", "nightly") == 4
    assert "nightly: resumed (next 20" in manage("resume_schedule", "nightly", "--note", "on")
    assert schedule.describe().note == "on"
    for verb in ("pause", "resume", "trigger", "describe"):
        assert code_of(manage, f"{verb}_schedule", "nothing") == 3


def test_a_schedule_is_triggered_once_for_each_request_id(
    schedule: ScheduleHandle, manage: Manage, manage_json: Manage
) -> None:
    first = manage_json("trigger_schedule", "nightly", "--request-id", "r")
    again = manage_json("trigger_schedule", "nightly", "--request-id", "r")

    assert first["state"] == "running"
    assert again["run_id"] == first["run_id"]
    assert Run.objects.count() == 1
    assert "skipped" in manage("trigger_schedule", "nightly")
    assert manage_json("trigger_schedule", "nightly", "--overlap", "allow_all")["run_id"]
    assert Run.objects.count() == 2


# --- activities -----------------------------------------------------------------------------------


def test_an_activity_is_paused_and_goes_on(world: World, manage: Manage) -> None:
    world.start()

    text = manage("pause_activity", "main", "1", "--reason", "down", "--by", "ada")
    assert text == "main: activity 1 paused\n"
    assert (world.shown.state, world.shown.paused_by) == ("paused", "ada")
    assert code_of(manage, "pause_activity", "main", "1") == 4
    manage("reset_activity", "main", "1", "--keep-paused")
    assert world.shown.state == "paused"
    manage("unpause_activity", "main", "1", "--reset-attempts")
    assert world.result() == 1


def test_an_activity_is_tried_again_now(world: World, manage_json: Manage) -> None:
    failing(world)
    world.problem = None
    assert world.shown.attempt == 2

    answer = manage_json("retry_activity", "main", "1")

    assert answer == {"workflow_id": "main", "activity_id": "1", "done": "is tried again now"}
    assert world.result() == 2


def test_an_activity_is_settled_by_hand(world: World, manage: Manage, manage_json: Manage) -> None:
    world.start()

    assert code_of(manage, "complete_activity", "main", "1", "paid") == 2
    assert manage_json("complete_activity", "main", "1", "41", "--reason", "phone")["done"]
    world.engine.go()
    assert world.handle.result(0) == 41
    assert code_of(manage, "complete_activity", "main", "1", "42") == 4
    assert code_of(manage, "retry_activity", "nobody", "1") == 3


def test_an_activity_is_failed_by_hand(world: World, manage: Manage) -> None:
    world.start()
    assert code_of(manage, "fail_activity", "main", "2") == 3

    manage("fail_activity", "main", "1", "--message", "no money", "--type", "Broke")
    world.engine.go()

    [event] = found(world.handle, events.ActivityFailed)
    assert (event.failure.message, event.failure.type) == ("no money", "Broke")


# --- starts ---------------------------------------------------------------------------------------


def test_a_start_can_be_tried_again_and_repeated(engine: Engine, manage_json: Manage) -> None:
    answer = manage_json(
        "start_workflow",
        "kit.greet",
        '"ann"',
        "--retry-attempts",
        "3",
        "--cron",
        "0 9 * * *",
        "--time-zone",
        "Europe/Berlin",
    )

    started = client.get_workflow_handle(answer["workflow_id"]).fetch_history()[0].attributes
    assert started["retry"]["maximum_attempts"] == 3
    assert (started["cron"], started["time_zone"]) == ("0 9 * * *", "Europe/Berlin")


def test_an_unusable_cron_starts_nothing(engine: Engine, manage: Manage) -> None:
    assert code_of(manage, "start_workflow", "kit.greet", '"ann"', "--cron", "9") == 1
    assert code_of(manage, "start_workflow", "kit.greet", '"a"', "--retry-attempts", "-1") == 2
    assert not Run.objects.exists()

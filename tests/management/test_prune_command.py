"""Deleting old runs from the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import load_command_class
from django.core.management.base import CommandError

from aion import client
from aion.models import Run
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.codecs import settings_with
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

Manage = Callable[..., Any]


@pytest.fixture(autouse=True)
def old(engine: Engine, clock: StandingClock) -> None:
    """Two runs that ended three days ago, one of them badly, and one that ended now."""
    client.start_workflow(kit.greet, "ada", id="old")
    client.start_workflow(kit.Waiting, id="ended").terminate()
    engine.go()
    clock.move(3 * 24 * 3600)
    client.start_workflow(kit.greet, "bob", id="young")
    engine.go()


def ids() -> set[str]:
    return set(Run.objects.values_list("workflow_id", flat=True))


def test_old_runs_are_counted_and_deleted(manage: Manage, manage_json: Manage) -> None:
    text = manage("prune_workflows", "--older-than", "2d", "--dry-run")
    assert text.startswith("2 runs closed before ")
    assert "would be deleted" in text
    assert ids() == {"old", "ended", "young"}

    answer = manage_json("prune_workflows", "--older-than", "2d", "--status", "terminated")
    assert (answer["runs"], answer["kept"], ids()) == (1, 0, {"old", "young"})
    answer = manage_json("prune_workflows", "--older-than", "2d", "--type", "kit.greet")
    assert (answer["runs"], answer["dry_run"], ids()) == (1, False, {"young"})
    assert manage_json("prune_workflows", "--older-than", "2d", "--batch", "1")["runs"] == 0


def test_without_an_age_the_rules_of_the_settings_hold(
    manage: Manage, manage_json: Manage, settings: Any
) -> None:
    settings_with(settings, RETENTION=({"status": "terminated", "days": 1}, {"days": None}))

    text = manage("prune_workflows", "--dry-run")
    assert text.startswith("terminated runs of any type: 1 runs closed before ")
    [rule] = manage_json("prune_workflows")["rules"]
    assert (rule["rule"], rule["runs"], ids()) == (
        "terminated runs of any type",
        1,
        {"old", "young"},
    )
    settings_with(settings, RETENTION=())
    assert "for ever" in manage("prune_workflows")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--type", "kit.greet"),
        ("--older-than", "90"),
        ("--older-than", "soon"),
        ("--older-than", "1d", "--batch", "0"),
        ("--older-than", "1d", "--status", "running"),
    ],
)
def test_a_wrong_call_deletes_nothing(manage: Manage, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        manage("prune_workflows", *arguments)
    assert ids() == {"old", "ended", "young"}


def test_an_age_without_its_unit_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    command = load_command_class("aion", "prune_workflows")

    with pytest.raises(SystemExit) as ended:
        command.run_from_argv(["manage.py", "prune_workflows", "--older-than", "90"])

    assert ended.value.code == 2
    assert "must be a duration such as" in capsys.readouterr().err

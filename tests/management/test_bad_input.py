"""What cannot be meant is refused by every command: what and where, by an exit code; nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management.base import CommandError

from aion import client, workflow
from tests.support import kit
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

LARGE = f'"{"x" * 3_000_000}"'

WRONG: list[tuple[tuple[str, ...], int, str]] = [
    # filters and queries
    (("list_workflows", "Nonsense = 1"), 2, "Nonsense"),
    (("list_workflows", "WorkflowId ="), 2, "^"),
    (("list_workflows", "StartTime > 'soon'"), 2, "soon"),
    (("list_workflows", "--search", "colour:red"), 2, "colour"),
    (("list_workflows", "--status", "sleeping"), 1, "sleeping"),
    (("list_workflows", "--limit", "0"), 2, "limit"),
    (("list_workflows", "--cursor", "nonsense"), 1, "cursor"),
    (("count_workflows", "Nonsense = 1"), 2, "Nonsense"),
    (("count_workflows", "--cap", "0"), 1, "cap"),
    (("cancel_workflow", "--query", "Nonsense = 1"), 2, "Nonsense"),
    (("list_schedules", "--limit", "0"), 1, "limit"),
    # values
    (("start_workflow", "kit.greet", LARGE), 1, "payload_too_large"),
    (("start_workflow", "kit.greet", '"a"', "--memo", "7"), 2, "object"),
    (("start_workflow", "kit.greet", '"a"', "--search-attributes", '{"Nope": 1}'), 1, "Nope"),
    (("start_workflow", "kit.greet", '"a"', "--id", "x" * 300), 1, "id has 300 characters"),
    (("start_workflow", "kit.greet", '"a"', "--priority", "6"), 1, "priority must be a whole"),
    (("start_workflow", "kit.greet", '"a"', "--cron", "61 * * * *"), 1, "minute"),
    (("start_workflow", "kit.greet", '"a"', "--cron", "0 0 30 2 *"), 1, "no month has it"),
    (
        ("start_workflow", "kit.greet", '"a"', "--cron", "@daily", "--time-zone", "X"),
        1,
        "time_zone",
    ),
    (("signal_workflow", "closed", "note", LARGE), 1, "payload_too_large"),
    # what is closed, taken or not there
    (("start_workflow", "kit.greet", '"a"', "--id", "open"), 4, "workflow_already_started"),
    (("signal_workflow", "closed", "note", "1"), 4, "run_closed"),
    (("cancel_workflow", "closed"), 4, "closed"),
    (("update_workflow", "closed", "nothing"), 4, "closed"),
    (("reset_workflow", "closed", "--to-seq", "999"), 1, "999"),
    (("describe_workflow", "nobody"), 3, "nobody"),
    (("describe_workflow", "open", "--run-id", "7"), 1, "run_id"),
    (("export_history", "nobody"), 3, "nobody"),
    (("query_workflow", "open", "lenght"), 3, "lenght"),
    (("trigger_schedule", "nobody"), 3, "nobody"),
    (("trigger_schedule", "daily", "--overlap", "sometimes"), 1, "overlap"),
    (("pause_schedule", "daily", "--note", "\0"), 1, "note"),
]


@pytest.fixture(autouse=True)
def there(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: me.notes)

    engine.start("main", id="open")
    closed = engine.start("main", id="closed")
    engine.go()
    closed.signal("note", 1)
    engine.go()
    client.create_schedule("daily", kit.greet, "ann", spec="0 9 * * *")


@pytest.mark.parametrize(
    ("words", "code", "text"), WRONG, ids=[" ".join(words)[:60] for words, _, _ in WRONG]
)
def test_it_is_refused_and_nothing_changes(
    manage: Callable[..., str], words: tuple[str, ...], code: int, text: str
) -> None:
    before = counts()

    with pytest.raises(CommandError) as caught:
        manage(*words)

    found = str(caught.value)
    assert text in found, found[:500]
    assert caught.value.returncode == code, found[:500]
    assert counts() == before

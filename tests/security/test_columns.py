"""Every column of the tables is sealed by the codecs, plain as the documentation says, or no user's data.

A column that is added fails this test until somebody has said which.
"""

from __future__ import annotations

from typing import Final

from django.apps import apps

from aion.store.rotation import EVENTS, OF_SCHEDULES, OTHERS
from tests.conftest import ROOT

SEALED: Final = {
    "aion_event": {"attributes"},
    "aion_message": {"body"},
    "aion_update": {"result", "failure"},
    "aion_activitytask": {"order", "heartbeat_details", "last_failure"},
    "aion_run": {"result", "failure", "memo", "problem"},
    "aion_schedule": {"config", "last_result", "last_failure"},
    "aion_scheduleevent": {"attributes"},
}
PLAIN: Final = {
    # What lists filter and order by, and what says who is meant: ids, names, search attributes.
    "aion_run": {"workflow_id", "workflow_type", "task_queue", "request_id", "search_attributes"},
    "aion_searchattribute": {"name"},
    "aion_searchvalue": {"name", "keyword", "integer", "number", "moment", "flag"},
    "aion_request": {"workflow_id", "request_id"},
    "aion_update": {"update_id", "name"},
    "aion_timer": {"timer_id"},
    "aion_activitylimit": {"name"},
    "aion_activitytask": {
        *("activity_id", "activity_type", "task_queue", "limit_key"),
        *("paused_by", "pause_reason"),
    },
    # What people wrote on a schedule, and why its last start failed.
    "aion_schedule": {"schedule_id", "workflow_type", "note", "problem"},
    "aion_scheduleevent": {"request_id"},
    "aion_firing": {"key", "workflow_id", "outcome"},
}
NO_USERS_DATA: Final = {
    "aion_run": {
        *("id", "definition_hash", "behaviour_version", "status", "head_seq", "first_seq"),
        *("history_bytes", "started_at", "closed_at", "deadline_at", "parent_run_id"),
        *("parent_close_policy", "root_run_id", "continued_from_run_id", "chain_position"),
        *("owner_id", "problem_count", "held_until", "imported_at", "priority", "limited"),
    },
    "aion_event": {"run_id", "seq", "kind", "recorded_at"},
    "aion_message": {"id", "run_id", "kind", "created_at", "parked", "priority"},
    "aion_request": {"run_id"},
    "aion_update": {"run_id", "state", "created_at"},
    "aion_timer": {"id", "run_id", "fire_at", "parked", "priority"},
    "aion_activitytask": {
        *("id", "run_id", "state", "attempt", "scheduled_at", "next_attempt_at", "published_at"),
        *("started_at", "owner_id", "pid", "timeout_at", "timeout_kind", "heartbeat_at"),
        *("cancel_requested", "paused", "paused_at", "reset_requested", "reset_heartbeat"),
        *("attempts_forgotten", "slot_at", "crowded", "priority"),
    },
    "aion_activitylimit": {"free_at"},
    "aion_schedule": {
        *("id", "version", "paused", "remaining_actions", "decided_until", "next_at", "due_at"),
        *("problem_count", "started_count", "skipped_count", "missed_count", "failed_count"),
        *("head_seq", "created_at", "updated_at", "deleted_at"),
    },
    "aion_firing": {
        *("id", "schedule_id", "nominal_at", "source", "overlap", "state", "run_id"),
        *("current_run_id", "started_at", "ended_at"),
    },
    "aion_scheduleevent": {"schedule_id", "seq", "kind", "recorded_at"},
    "aion_searchattribute": {"kind", "created_at"},
    "aion_searchvalue": {"run_id", "position"},
    "aion_worker": {
        *("id", "name", "host", "pid", "queues", "version", "started_at", "last_seen_at"),
        "in_turn",
    },
    "aion_tick": {"id", "ticked_at", "crashed_at"},
    "aion_suspect": {"run_id", "crash_count", "crashed_at"},
}


def test_each_column_is_in_one_of_the_lists() -> None:
    for model in apps.get_app_config("aion").get_models():
        table = model._meta.db_table
        columns = [field.column for field in model._meta.concrete_fields]
        listed = [c for lists in (SEALED, PLAIN, NO_USERS_DATA) for c in lists.get(table, ())]

        assert sorted(listed) == sorted(columns), table


def test_what_is_sealed_is_what_a_rotation_of_keys_encodes_again() -> None:
    tables = (EVENTS, *OTHERS, *OF_SCHEDULES)

    assert {table.name: set(table.columns) for table in tables} == SEALED


def test_the_documentation_names_every_column_that_stays_plain() -> None:
    page = (ROOT / "docs/explanation/security.md").read_text()
    begin = page.index("## What stays plain")
    section = page[begin : page.index("\n## ", begin + 1)]

    for table, columns in PLAIN.items():
        for column in columns:
            assert f"`{column}`" in section, f"{table}.{column}"

"""What is easily forgotten is encoded, too: headers, summaries, what a cron chain began with."""

from __future__ import annotations

from typing import Any

import pytest

from aion import client, workflow
from aion.models import Run
from aion.operations.rotate_payloads import rotate_payloads
from tests.support import codecs, kit
from tests.support.clocks import StandingClock
from tests.support.codecs import everything_in_the_database, keys_in_use, settings_with
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

MARKER = "m4rk3r"


def said(what: str) -> str:
    return f"{MARKER} {what}"


HEADERS = {said("header"): said("header's value")}


@workflow.defn(name="sealed.Cron")
class Cron:
    """Goes on as something else, and begins at its next time as it had begun."""

    @workflow.run
    async def run(self, text: str, more: bool = False) -> str:
        if not more:
            workflow.continue_as_new(said("more"), True)
        return text


def test_what_a_cron_chain_began_with_is_encoded_where_it_is_kept(
    engine: Engine, clock: StandingClock, settings: Any
) -> None:
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    memo = {"note": said("memo")}

    client.start_workflow(Cron, said("input"), id="c", cron="* * * * *", memo=memo, headers=HEADERS)
    for _ in range(4):
        clock.move(60)
        engine.turns()
        assert MARKER not in everything_in_the_database()

    firsts = [
        client.get_workflow_handle("c", run_id=run.id).fetch_history()[0].attributes
        for run in Run.objects.order_by("first_seq")
    ]
    inputs = [first["input"]["args"] for first in firsts]
    assert inputs[:4] == [[said("input")], [said("more"), True]] * 2
    assert {first["headers"] == HEADERS for first in firsts} == {True}
    assert '"cron_origin":{"workflow_type":"sealed.Cron"' in everything_in_the_database()


def test_headers_and_summaries_are_shown_and_without_their_key_left_out(
    engine: Engine, clock: StandingClock, settings: Any, script: Any, acting: Any
) -> None:
    @acting
    def work() -> None:
        raise ValueError

    @script
    async def main(me: kit.Scripted) -> None:
        kit.act.with_options(summary=said("activity")).start("work")
        await workflow.sleep(100, summary=said("timer"))

    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    handle = engine.start("main", headers=HEADERS)
    engine.turns()
    look_at = {"old_key": (said("activity"), said("timer")), "only_new_key": ("", "")}

    for chain, (activity_said, timer_said) in look_at.items():
        settings_with(settings, PAYLOAD_CODECS=[f"tests.support.codecs.{chain}"])
        described = handle.describe()
        assert [each.summary for each in described.pending_activities] == [activity_said]
        assert [each.summary for each in described.timers] == [timer_said]
    assert MARKER not in everything_in_the_database()


def test_headers_alone_are_rotated_and_brought_back(engine: Engine, settings: Any) -> None:
    handle = client.start_workflow(kit.Waiting, id="w", headers=HEADERS)

    def first() -> Any:
        return handle.fetch_history()[0].attributes

    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    assert first()["headers"] == HEADERS, "what lies there in clear is read"
    assert rotate_payloads().written["aion_event"] == 1
    assert MARKER not in everything_in_the_database()
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.new_key"])
    assert rotate_payloads(from_key="old").written["aion_event"] == 1
    assert keys_in_use() == {"new"}
    assert rotate_payloads().written["aion_event"] == 0
    assert (first()["headers"], "sealed" in first()) == (HEADERS, False)
    settings_with(settings, PAYLOAD_CODECS=[], PAYLOAD_DECODERS=["tests.support.codecs.new_key"])
    assert rotate_payloads().written["aion_event"] == 1
    assert codecs.envelopes() == 0
    assert first()["headers"] == HEADERS

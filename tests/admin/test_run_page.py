"""The page of a run in the admin, and the acts that begin there."""

from __future__ import annotations

import html
import re
import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from aion import ApplicationError, client, workflow
from aion.access import Verb
from aion.client import WorkflowHandle
from aion.core.history import from_lines
from aion.core.pending import group_ends
from examples.programs.update_with_validator import Account
from tests.admin.conftest import browser_of
from tests.language.worlds import status
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.codecs import settings_with
from tests.support.engine import Engine
from tests.support.rows import counts

pytestmark = pytest.mark.django_db

EVIL = "</pre><script>alert(1)</script>"


@pytest.fixture
def run(engine: Engine, clock: StandingClock, script: Any, acting: Any) -> WorkflowHandle:
    """A run with an activity that fails, a timer, a child; it ends by the note that it gets."""

    @acting
    def flaky() -> None:
        raise ApplicationError(EVIL, type="Flaky")

    @script
    async def child(me: kit.Scripted) -> None:
        await workflow.sleep(999)

    @script
    async def main(me: kit.Scripted, text: str) -> Any:
        kit.act.start("flaky")
        await workflow.start_child_workflow(kit.Scripted, "child", id="the-child")
        timer = workflow.Timer(600, summary="a reminder")
        await workflow.wait_condition(lambda: me.notes)
        timer.cancel()
        if me.notes[0] == "fail":
            raise ApplicationError(EVIL, type="Told") from ValueError("the cause")
        return {"note": me.notes[0]}

    handle = engine.start("main", EVIL, id="order-42", memo={"customer": EVIL})
    engine.turns()
    engine.perform(engine.begin())
    engine.turns()
    return handle


def page_of(browser: Client, handle: WorkflowHandle, query: str = "") -> str:
    answer = browser.get(f"/admin/aion/run/{handle.run_id}/change/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def act(browser: Client, handle: WorkflowHandle, name: str, **data: Any) -> Any:
    return browser.post(f"/admin/aion/run/{handle.run_id}/act/{name}/", data, follow=True)


def buttons(page: str) -> list[str]:
    return re.findall(r"/act/(\w+)/", page)


def test_the_page_says_what_the_run_waits_for(browser: Client, run: WorkflowHandle) -> None:
    page = page_of(browser, run)

    for text in (
        "order-42",
        "kit.Scripted",
        "Flaky",
        "a reminder",
        "the-child",
        "test_run_page.py",
    ):
        assert text in page, text
    assert buttons(page) == ["signal", "update", "cancel", "terminate", "pause", "reset"]


def test_what_users_write_is_escaped_everywhere(
    browser: Client, run: WorkflowHandle, engine: Engine
) -> None:
    run.signal("note", "fail")
    engine.turns()
    page = page_of(browser, run)

    assert page.count("&lt;script&gt;") >= 4
    assert "<script>alert" not in page


def test_a_failure_is_shown_with_its_causes(
    browser: Client, run: WorkflowHandle, engine: Engine
) -> None:
    run.signal("note", "fail")
    engine.turns()

    page = page_of(browser, run)

    assert "the cause" in page
    assert "in main" in page
    assert buttons(page) == ["reopen", "reset"]


def test_a_result_is_shown(browser: Client, run: WorkflowHandle, engine: Engine) -> None:
    run.signal("note", "fine")
    engine.turns()

    assert "&quot;note&quot;: &quot;fine&quot;" in page_of(browser, run)


def test_the_timeline_is_drawn_without_script(browser: Client, run: WorkflowHandle) -> None:
    page = page_of(browser, run)
    drawing = page[page.index('<svg viewBox="0 0 1000') :].partition("</svg>")[0]

    assert drawing.count("<rect") >= 3
    assert "style=" not in drawing
    own = page[page.index('class="aion-run"') :]
    assert not re.search(r"\son\w+=", own.partition("<footer")[0])


def test_a_long_history_comes_in_pages(
    browser: Client, engine: Engine, script: Any, clock: StandingClock
) -> None:
    @script
    async def listening(me: kit.Scripted) -> None:
        await workflow.wait_condition(lambda: len(me.notes) > 1000)

    handle = engine.start("listening")
    for number in range(450):
        handle.signal("note", number)
    engine.turns()
    history = [recorded.seq for recorded in handle.fetch_history()]

    for shown in ("", "history=all&"):
        assert _seqs_of_all_pages(browser, handle, f"?{shown}") == history


def _seqs_of_all_pages(browser: Client, handle: WorkflowHandle, query: str) -> list[int]:
    seqs: list[int] = []
    while True:
        page = page_of(browser, handle, query)
        table = page[page.index('class="aion-history') :]
        seqs += [int(seq) for seq in re.findall(r"<tr>\s*<td>(\d+)</td>", table)]
        later = re.findall(r'href="([^"]*from=\d+)#history">Later', page)
        if not later:
            return seqs
        query = html.unescape(later[0])


def test_what_belongs_together_is_one_row_that_opens(
    browser: Client, run: WorkflowHandle, engine: Engine, clock: StandingClock
) -> None:
    clock.move(60)
    engine.perform(engine.begin())
    clock.move(60)
    engine.perform(engine.begin())
    engine.turns()
    page = page_of(browser, run)
    compact = page[page.index('class="aion-history') :]
    whole = page_of(browser, run, "?history=all")
    (row,) = re.findall(r"<summary>kit.act .*?</details>", compact, re.DOTALL)

    assert "failed" in row
    assert "attempt 3" in row
    assert [f"{kind} <" in row for kind in ("ActivityScheduled", "ActivityFailed")] == [True] * 2
    assert "<td>ActivityFailed</td>" in whole
    assert whole.count("<summary>kit.act") == 3  # each event is called as what it belongs to


@pytest.mark.parametrize("query", ["?from=nonsense", "?from=-5", "?from=99999999", "?stack=1"])
def test_odd_parameters_do_no_harm(browser: Client, run: WorkflowHandle, query: str) -> None:
    assert "order-42" in page_of(browser, run, query)


def test_the_history_is_a_file(browser: Client, run: WorkflowHandle) -> None:
    answer = browser.get(f"/admin/aion/run/{run.run_id}/history.jsonl")

    lines = b"".join(answer.streaming_content).splitlines()
    assert from_lines(lines) == run.fetch_history()
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "attachment" in answer["Content-Disposition"]


# --- acting ----------------------------------------------------------------------------------------


def test_each_act_is_done_logged_and_kept_in_history(
    browser: Client, run: WorkflowHandle, engine: Engine
) -> None:
    def done(name: str) -> str:
        act(browser, run, name, reason=f"{name} it")
        engine.turns()
        return status("order-42")

    assert done("pause") == "paused"
    assert buttons(page_of(browser, run)) == [
        "signal",
        "update",
        "cancel",
        "terminate",
        "resume",
        "reset",
    ]
    assert done("resume") == "running"
    assert done("terminate") == "terminated"
    assert done("reopen") == "running"
    assert done("cancel") == "cancelled"
    logged = list(LogEntry.objects.order_by("id").values_list("change_message", flat=True))
    assert [text.partition(": ")[2] for text in logged] == [
        "pause it",
        "resume it",
        "terminate it",
        "reopen it",
        "cancel it",
    ]
    reasons = {r.attributes.get("reason") for r in run.fetch_history()}
    assert {"pause it", "resume it", "reopen it", "cancel it"} <= reasons


def test_a_signal_is_sent_once_from_a_form_sent_twice(
    browser: Client, run: WorkflowHandle, engine: Engine
) -> None:
    form = browser.get(f"/admin/aion/run/{run.run_id}/act/signal/").content.decode()
    assert "note" in form
    request_id = re.search(r'name="request_id" value="([^"]+)"', form)
    assert request_id is not None
    for _ in range(2):
        act(browser, run, "signal", signal="note", args='["x"]', request_id=request_id[1])
    engine.turns()

    assert run.result(0) == {"note": "x"}
    assert [r.kind for r in run.fetch_history()].count("SignalReceived") == 1


def test_an_update_is_sent_once_from_a_form_sent_twice(
    browser: Client, engine: Engine, clock: StandingClock
) -> None:
    handle = client.start_workflow(Account, 100, id="account")
    engine.turns()
    form = browser.get(f"/admin/aion/run/{handle.run_id}/act/update/").content.decode()
    assert re.search(r"withdraw.*amount: integer", form, re.DOTALL)
    for _ in range(2):
        answer = act(browser, handle, "update", update="withdraw", args="[30]", request_id="one")
    engine.turns()

    assert "not answered yet" in answer.content.decode()  # the test's own transaction is open
    assert handle.query("__stack_trace")
    updates = [r for r in handle.fetch_history() if r.kind == "UpdateCompleted"]
    assert [r.attributes["result"] for r in updates] == [70]
    refused = act(browser, handle, "update", update="withdraw", args="{}", request_id="two")
    assert "errorlist" in refused.content.decode()
    entries = list(LogEntry.objects.values_list("change_message", flat=True))
    assert entries == ["Update: withdraw"] * 2


def test_pending_activities_are_operated(
    browser: Client, run: WorkflowHandle, engine: Engine, clock: StandingClock
) -> None:
    def do(name: str) -> str:
        address = f"/admin/aion/run/{run.run_id}/activity/{name}/?activity=1"
        assert browser.get(address).status_code == 200
        return browser.post(address, {"reason": "why not"}, follow=True).content.decode()

    def links(page: str) -> list[str]:
        return re.findall(r"/activity/(\w+)/\?activity=1", page)

    assert links(page_of(browser, run)) == ["retry", "pause", "reset"]
    assert links(do("pause")) == ["resume", "reset"]
    assert "why not" in page_of(browser, run)
    assert "wrong_state" in do("pause")
    assert links(do("resume")) == ["retry", "pause", "reset"]
    do("retry")
    engine.perform(engine.begin())
    assert run.describe().pending_activities[0].attempt == 3
    do("reset")
    assert run.describe().pending_activities[0].attempt == 1
    logged = list(LogEntry.objects.order_by("id").values_list("change_message", flat=True))
    assert [text.partition(":")[0] for text in logged] == [
        "Pause",
        "Resume",
        "Retry now",
        "Reset attempts",
    ]
    assert all(text.endswith(": why not") for text in logged)


def test_activities_ask_for_their_permission(run: WorkflowHandle) -> None:
    without = browser_of(*(set(Verb) - {Verb.OPERATE_ACTIVITY}))
    address = f"/admin/aion/run/{run.run_id}/activity/retry/?activity=1"
    before = counts()

    assert "/activity/" not in page_of(without, run)
    assert without.get(address).status_code == without.post(address).status_code == 403
    assert counts() == before
    browser = browser_of(Verb.VIEW, Verb.OPERATE_ACTIVITY)
    assert browser.get(address.replace("=1", "=7")).status_code == 404
    assert browser.get(address.replace("retry", "explode")).status_code == 404


def test_children_are_a_tree_that_opens_level_by_level(
    browser: Client, engine: Engine, script: Any, django_assert_num_queries: Any
) -> None:
    @script
    async def nest(me: kit.Scripted, depth: int, name: str) -> None:
        for number in range(3 if depth else 0):
            below = f"{name}.{number}"
            await workflow.start_child_workflow(kit.Scripted, "nest", depth - 1, below, id=below)
        await workflow.sleep(10)

    handle = engine.start("nest", 2, "top")
    engine.go()

    def shown(query: str) -> list[str]:
        answer = browser.get(f"/admin/aion/run/{handle.run_id}/children/{query}")
        assert answer.status_code == 200
        pages.append(answer.content.decode())
        return re.findall(r"/change/\">(top[.\d]+)<", pages[-1])

    pages: list[str] = []
    assert sorted(shown("")) == ["top.0", "top.1", "top.2"]
    opening = html.unescape(re.findall(r'href="(\?open=[^"]+)"', pages[0])[0])
    opened = shown(opening)
    assert len(opened) == 6
    first = opened.index(min(n for n in opened if n.count(".") == 2)[:5])
    assert all(name.startswith(opened[first]) for name in opened[first : first + 4])
    assert pages[-1].count("aion-depth-1") == 3
    assert shown("?open=nonsense") == shown("")
    assert (
        "It has no children"
        in browser.get(
            f"/admin/aion/run/{client.get_workflow_handle('top.0.0').describe().run_id}/children/"
        ).content.decode()
    )


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"signal": "note", "args": "{"},
        {"signal": "note", "args": '{"a": 1}'},
        {"signal": "note", "kwargs": "[1]"},
        {"signal": "x" * 300},
    ],
)
def test_a_wrong_form_changes_nothing(
    browser: Client, run: WorkflowHandle, data: dict[str, str]
) -> None:
    before = counts()

    answer = act(browser, run, "signal", **data)

    assert "errorlist" in answer.content.decode()
    assert counts() == before


def test_a_state_that_forbids_it_is_said(browser: Client, run: WorkflowHandle) -> None:
    answer = act(browser, run, "resume", reason="x")

    assert "wrong_state" in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_a_reset_leads_to_the_new_run(browser: Client, run: WorkflowHandle, engine: Engine) -> None:
    run.signal("note", "fail")
    engine.turns()
    wrong = act(browser, run, "reset", to_seq=2).content.decode()
    assert "invalid_argument" in wrong

    place = group_ends(run.fetch_history())[0]
    answer = act(browser, run, "reset", to_seq=place, reason="again")

    assert answer.redirect_chain
    assert str(run.run_id) not in answer.redirect_chain[-1][0]


@pytest.mark.parametrize("name", ["signal", "cancel", "terminate", "pause", "reset"])
def test_each_verb_has_its_permission(run: WorkflowHandle, name: str) -> None:
    verb = {verb.value.removesuffix("_run"): verb for verb in Verb}[name]
    without = browser_of(*(set(Verb) - {verb}))
    before = counts()

    assert name not in buttons(page_of(without, run))
    assert without.get(f"/admin/aion/run/{run.run_id}/act/{name}/").status_code == 403
    assert act(without, run, name, reason="x", to_seq=1).status_code == 403
    assert counts() == before
    assert name in buttons(page_of(browser_of(Verb.VIEW, verb), run))


def test_what_is_not_there_is_not_found(browser: Client, run: WorkflowHandle) -> None:
    nobody = uuid.UUID(int=7)

    assert browser.get(f"/admin/aion/run/{nobody}/change/").status_code == 404
    assert browser.get("/admin/aion/run/nonsense/change/").status_code == 404
    assert browser.get(f"/admin/aion/run/{nobody}/act/cancel/").status_code == 404
    assert browser.get(f"/admin/aion/run/{run.run_id}/act/explode/").status_code == 404
    assert browser.get(f"/admin/aion/run/{nobody}/history.jsonl").status_code == 404


def test_a_get_changes_nothing(browser: Client, run: WorkflowHandle) -> None:
    before = counts()
    for name in ("signal", "cancel", "terminate", "pause", "reset"):
        assert browser.get(f"/admin/aion/run/{run.run_id}/act/{name}/").status_code == 200
    assert counts() == before


def test_rows_are_not_edited(run: WorkflowHandle) -> None:
    from django.contrib.auth.models import User

    User.objects.create_superuser("root", password="x")
    root = Client()
    root.force_login(User.objects.get(username="root"))

    assert root.get("/admin/aion/run/add/").status_code == 403
    assert root.post(f"/admin/aion/run/{run.run_id}/delete/", {"post": "yes"}).status_code == 403
    for name in ("activitytask", "timer", "worker"):
        assert root.get(f"/admin/aion/{name}/").status_code == 200
        assert root.get(f"/admin/aion/{name}/add/").status_code == 403
    assert client.get_workflow_handle("order-42").describe().status == "running"


def test_a_run_whose_key_is_missing_has_its_page(
    browser: Client, engine: Engine, settings: Any
) -> None:
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.old_key"])
    handle = client.start_workflow(kit.greet, "ada", id="locked")
    settings_with(settings, PAYLOAD_CODECS=["tests.support.codecs.only_new_key"])
    engine.turns()

    page = page_of(browser, handle)
    export = browser.get(f"/admin/aion/run/{handle.run_id}/history.jsonl")

    assert "needs key &#x27;old&#x27;" in page
    assert "release" in buttons(page)
    assert (export.status_code, b"'old'" in export.content) == (409, True)


@pytest.mark.parametrize(
    "args", ["[" * 300 + "]" * 300, "[" * 100_000, "9" * 5_000, "[NaN]", "{}", "[", '"\\ud800"']
)
def test_arguments_that_cannot_be_used_are_refused_in_the_form(
    browser: Client, run: WorkflowHandle, args: str
) -> None:
    before = counts()

    answer = browser.post(
        f"/admin/aion/run/{run.run_id}/act/signal/", {"signal": "note", "args": args}
    )

    assert answer.status_code == 200
    assert b"errornote" in answer.content or b"errorlist" in answer.content
    assert counts() == before


@pytest.mark.parametrize("at", ["9" * 30, "9" * 5_000, "-1", "x", "\u0661"])
def test_a_place_in_the_history_that_is_none(browser: Client, run: WorkflowHandle, at: str) -> None:
    answer = browser.get(f"/admin/aion/run/{run.run_id}/change/", {"from": at})

    assert answer.status_code == 200

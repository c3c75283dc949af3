"""Settings and system checks: what is wrong is said once, clearly, with its id."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections
from django.test.utils import override_settings

from aion import activity, checks, workflow
from aion.authoring.registry import registry
from aion.conf import Settings, find_problems
from aion.conf import settings as aion_settings
from aion.interceptors import Interceptor

pytestmark = pytest.mark.django_db

DEFAULTS = Settings()


def messages(aion: Any) -> list[tuple[str | None, str]]:
    with override_settings(AION=aion):
        found = [
            *checks.check_settings(None),
            *checks.check_database(None, databases=["default"]),
        ]
    return [(message.id, str(message.msg)) for message in found]


# --- the settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"LEAES": 1}, ["LEAES", "LEASE"]),
        ({"lease": 1}, ["lease", "LEASE"]),
        ({"LEASE": "15"}, ["LEASE", "float", "str"]),
        ({"LEASE": None}, ["LEASE", "float", "NoneType"]),
        ({"LEASE": True}, ["LEASE", "float", "bool"]),
        ({"LEASE": 0}, ["LEASE", "positive"]),
        ({"LEASE": -1.5}, ["LEASE", "positive"]),
        ({"LEASE": float("nan")}, ["LEASE", "nan"]),
        ({"LEASE": float("inf")}, ["LEASE", "inf"]),
        ({"BATCH_RUNS": 1.5}, ["BATCH_RUNS", "int", "float"]),
        ({"BATCH_RUNS": 0}, ["BATCH_RUNS", "positive"]),
        ({"TUNE_SESSION": 1}, ["TUNE_SESSION", "bool", "int"]),
        ({"DATABASE": 5}, ["DATABASE", "str"]),
        ({"DATABASE": ["default"]}, ["DATABASE", "str", "list"]),
        ({"TURN_LOOP": "sometimes"}, ["TURN_LOOP", "auto", "sometimes"]),
        ({"ON_NON_DETERMINISM": "explode"}, ["ON_NON_DETERMINISM", "hold", "explode"]),
        ({"LOOP_QUEUES": "default"}, ["LOOP_QUEUES", "tuple", "str"]),
        ({"LOOP_QUEUES": [1]}, ["LOOP_QUEUES", "1"]),
        ({"OPEN_RUN_LIMITS": []}, ["OPEN_RUN_LIMITS", "dict", "list"]),
        ({"OPEN_RUN_LIMITS": {7: 1}}, ["OPEN_RUN_LIMITS", "workflow types", "7"]),
        ({"OPEN_RUN_LIMITS": {"a": 0}}, ["OPEN_RUN_LIMITS", "'a'", "positive int"]),
        ({"PENDING_ACTIVITY_LIMIT": -1}, ["PENDING_ACTIVITY_LIMIT", "positive", "-1"]),
        ({"ACTIVITY_LIMITS": []}, ["ACTIVITY_LIMITS", "dict", "list"]),
        ({"ACTIVITY_LIMITS": {"mail": 5}}, ["ACTIVITY_LIMITS", "mail", "dict"]),
        ({"ACTIVITY_LIMITS": {"mail": {"speed": 5}}}, ["mail", "speed", "rate_per_key"]),
        ({"ACTIVITY_LIMITS": {"mail": {"concurrency": 1.5}}}, ["concurrency", "int", "1.5"]),
        ({"ACTIVITY_LIMITS": {"mail": {"rate": 0}}}, ["rate", "positive", "0"]),
        ([("LEASE", 1)], ["AION must be a dict", "list"]),
        ("LEASE", ["AION must be a dict", "str"]),
        (None, ["AION must be a dict", "NoneType"]),
    ],
    ids=repr,
)
def test_e001_names_what_is_wrong_with_the_settings(values: Any, words: list[str]) -> None:
    [(code, message)] = messages(values)

    assert code == "aion.E001"
    assert all(word in message for word in words), message
    with override_settings(AION=values):
        with pytest.raises(ImproperlyConfigured) as caught:
            _ = aion_settings.LEASE
    assert str(caught.value) == message


def test_everything_wrong_is_said_at_once() -> None:
    found = messages({"LEAES": 1, "BATCH_TIME": "x", "TURN_LOOP": "no"})

    assert [code for code, _ in found] == ["aion.E001"] * 3


def test_good_settings_are_taken_and_may_change() -> None:
    values = {"LEASE": 3, "LOOP_QUEUES": ["a", "b"], "TUNE_SESSION": False, "POLL_INTERVAL": 0.5}

    assert find_problems(values) == []
    with override_settings(AION=values):
        assert (aion_settings.LEASE, aion_settings.TUNE_SESSION) == (3, False)
        assert tuple(aion_settings.LOOP_QUEUES) == ("a", "b")
        assert aion_settings.BATCH_RUNS == DEFAULTS.BATCH_RUNS
    assert aion_settings.LEASE == DEFAULTS.LEASE


@pytest.mark.parametrize("name", checks.PORTS)
@pytest.mark.parametrize("path", ["nowhere.at.all", "aion.conf.Nothing", "nodots", ""])
def test_e002_names_a_port_that_cannot_be_imported(name: str, path: str) -> None:
    [(code, message)] = messages({name: path})

    assert code == "aion.E002"
    assert name in message
    assert repr(path) in message
    with override_settings(AION={name: path}):
        with pytest.raises(ImproperlyConfigured, match=name):
            aion_settings.port(name)


class NeedsArguments(Interceptor):
    def __init__(self, what: str) -> None:
        self.what = what


class Clocked(Interceptor):
    def start_activity(self, input: Any, next: Any) -> Any:
        dt.datetime.now(dt.UTC)
        return next(input)


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("nowhere.at.all", "aion.E011", "ModuleNotFoundError"),
        ("aion.conf.settings", "aion.E011", "is no interceptor"),
        (f"{__name__}.NeedsArguments", "aion.E011", "TypeError"),
        (f"{__name__}.Clocked", "aion.E007", "now() reads the wall clock"),
    ],
)
def test_e011_and_e007_name_a_wrong_interceptor(path: str, code: str, words: str) -> None:
    fine = "aion.interceptors.Interceptor"

    [(found, message)] = messages({"INTERCEPTORS": [fine, path]})

    assert found == code
    assert path in message
    assert words in message


def test_e002_asks_for_the_url_of_redis() -> None:
    [(code, message)] = messages({"BELL": "aion_engine.runtime.bells.RedisBell"})

    assert (code, "REDIS_URL" in message) == ("aion.E002", True)


def test_e003_names_an_alias_that_is_not_there() -> None:
    [(code, message)] = [found for found in messages({"DATABASE": "elsewhere"}) if found[0]]

    assert code == "aion.E003"
    assert "'elsewhere'" in message
    assert "default" in message


class Elsewhere:
    """Sends Aion's tables to another alias than the settings."""

    def db_for_write(self, model: Any, **_: Any) -> str | None:
        return "other" if model._meta.app_label == "aion" else None


@override_settings(DATABASE_ROUTERS=[f"{__name__}.Elsewhere"])
def test_e003_says_that_routers_disagree() -> None:
    [message] = [found for found in checks.check_settings(None) if found.id == "aion.E003"]

    assert "'other'" in str(message.msg)
    assert message.hint


# --- the definitions ------------------------------------------------------------------------------


@pytest.fixture
def definitions() -> Iterator[None]:
    """Whatever a test defines is forgotten."""
    saved = registry.workflows.copy(), registry.activities.copy(), list(registry.clashes)
    yield
    registry.workflows, registry.activities, registry.clashes = saved  # type: ignore[assignment]


def found(code: str) -> list[str]:
    return [str(message.msg) for message in checks.check_definitions(None) if message.id == code]


@pytest.mark.usefixtures("definitions")
def test_e004_names_two_definitions_of_one_name() -> None:
    before = len(found("aion.E004"))

    @workflow.defn(name="kit.greet")
    async def another() -> None: ...

    [message] = found("aion.E004")[before:]
    assert "kit.greet" in message
    assert "another" in message


@pytest.mark.usefixtures("definitions")
def test_e005_names_a_broken_workflow() -> None:
    @workflow.defn(name="kit.Headless")
    class Headless:
        pass

    messages = [text for text in found("aion.E005") if "kit.Headless" in text]
    assert any("no method decorated with @workflow.run" in text for text in messages)
    assert any("inside a function" in text for text in messages)


@pytest.mark.usefixtures("definitions")
def test_e006_names_a_broken_activity() -> None:
    @activity.defn(name="kit.two_minds", transactional=True)
    async def two_minds() -> None: ...

    messages = [text for text in found("aion.E006") if "kit.two_minds" in text]
    assert any("transactional and async" in text for text in messages)


@pytest.mark.usefixtures("definitions")
def test_e007_names_the_wall_clock() -> None:
    @workflow.defn(name="kit.clocked")
    async def clocked() -> Any:
        return dt.datetime.now()

    [message] = [text for text in found("aion.E007") if "kit.clocked" in text]
    assert "workflow.now()" in message
    assert "test_checks.py" in message


# --- the database ---------------------------------------------------------------------------------


def test_a_good_database_passes() -> None:
    assert messages({}) == []
    assert list(checks.check_database(None, databases=None)) == []


def test_w002_says_that_tables_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.introspection, "table_names", list)

    [message] = checks.check_database(None, databases=["default"])

    assert message.id == "aion.W002"
    assert message.hint == "Run `manage.py migrate`."


def test_e008_names_a_database_that_cannot_hold_aion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["default"], "vendor", "oracle")

    [message] = checks.check_database(None, databases=["default"])

    assert message.id == "aion.E008"
    assert "oracle" in str(message.msg)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_e009_names_another_isolation_level() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_isolation = 'serializable'")
    try:
        [message] = checks.check_database(None, databases=["default"])
    finally:
        connection.close()

    assert message.id == "aion.E009"
    assert "'serializable'" in str(message.msg)


# --- payloads -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aion", "expected", "words"),
    [
        ({"PAYLOAD_CODECS": ["shop.nowhere"]}, "aion.E020", ["PAYLOAD_CODECS", "shop.nowhere"]),
        ({"PAYLOAD_DECODERS": ["aion.codecs.Lz"]}, "aion.E020", ["PAYLOAD_DECODERS", "Lz"]),
        ({"PAYLOAD_CODECS": ["aion.codecs.AesGcm"]}, "aion.W020", ["AION_PAYLOAD_KEYS"]),
        ({"PAYLOAD_CODECS": ["builtins.dict"]}, "aion.W020", ["builtins.dict", "no codec"]),
        ({"PAYLOAD_CODECS": ["aion.codecs.Zlib"] * 2}, "aion.W020", ["one name"]),
        ({"PAYLOAD_STORAGE": "nowhere"}, "aion.E021", ["'nowhere'", "STORAGES", "default"]),
        ({"RETENTION_ARCHIVE": "nowhere"}, "aion.E022", ["'nowhere'", "STORAGES", "default"]),
        (
            {"PAYLOAD_STORAGE": "default", "PAYLOAD_STORE_ABOVE": 3_000_000},
            "aion.E021",
            ["PAYLOAD_STORE_ABOVE", "PAYLOAD_REFUSE"],
        ),
    ],
)
def test_payload_settings_that_cannot_work_are_found(
    aion: Any, expected: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AION_PAYLOAD_KEYS", raising=False)
    found = [text for check, text in messages(aion) if check == expected]

    assert len(found) == 1, messages(aion)
    for word in words:
        assert word in found[0]


def test_payload_settings_that_work_are_not_remarked_upon() -> None:
    aion = {"PAYLOAD_CODECS": ["tests.support.codecs.new_key"], "PAYLOAD_STORAGE": "default"}

    assert not {check for check, _ in messages(aion)} & {"aion.E020", "aion.E021", "aion.W020"}

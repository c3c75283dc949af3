"""The system checks: what `manage.py check` says about settings, definitions and the database."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.module_loading import import_string

from aion.authoring.interception import impurities
from aion.authoring.registry import registry
from aion.conf import find_problems, settings
from aion.core.errors import PayloadCodecError
from aion.interceptors.configured import make_interceptor
from aion.operations.search_attributes import conflicts
from aion.store.sealing import sealer

PORTS = ("DISPATCHER", "BELL", "QUERIER", "ACCESS")


@register("aion")
def check_settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> Iterable[CheckMessage]:
    """E001: the AION dict; E002, E011: what cannot be imported; E003: the alias; W004: no broker."""
    problems = find_problems(getattr(django_settings, "AION", {}))
    yield from (Error(problem, id="aion.E001") for problem in problems)
    if problems:
        return
    for name in PORTS:
        path = getattr(settings, name)
        try:
            import_string(path)
        except ImportError as error:
            yield Error(f"AION[{name!r}] = {path!r} cannot be imported: {error}", id="aion.E002")
    yield from _check_interceptors()
    if settings.BELL.endswith(".RedisBell") and not settings.REDIS_URL:
        yield Error("AION['BELL'] is RedisBell but AION['REDIS_URL'] is not set", id="aion.E002")
    engine = connections.databases.get(settings.DATABASE, {}).get("ENGINE", "")
    for bell, vendor in (("SQLiteBell", "sqlite3"), ("PostgresBell", "postgresql")):
        if settings.BELL.endswith(f".{bell}") and not engine.endswith(vendor):
            text = f"AION['BELL'] is {bell}, but database {settings.DATABASE!r} is {engine or 'unknown'}"
            yield Error(text, id="aion.E002")
    yield from _check_alias()
    yield from _check_payloads()
    celery = settings.DISPATCHER.endswith(".CeleryDispatcher")
    if celery and not any(hasattr(django_settings, name) for name in _BROKER_SETTINGS):
        yield Warning(
            "Activities are handed over through Celery, but no broker is set",
            hint="Set CELERY_BROKER_URL; or, without Celery, AION['DISPATCHER'] = "
            "'aion_engine.runtime.dispatch.DatabaseDispatcher' and run manage.py aion_worker.",
            id="aion.W004",
        )


def _check_interceptors() -> Iterable[CheckMessage]:
    for path in settings.INTERCEPTORS:
        try:
            made = make_interceptor(path)
        except ImproperlyConfigured as error:
            yield Error(str(error), id="aion.E011")
            continue
        for found in impurities(made):
            yield Error(f"Interceptor {path}: {found}", id="aion.E007")


_BROKER_SETTINGS = ("CELERY_BROKER_URL", "BROKER_URL", "broker_url")


def _check_payloads() -> Iterable[CheckMessage]:
    """E020: a codec; E021, E022: storages; W020: a codec cannot be made here, as where there are no keys."""
    for setting in ("PAYLOAD_CODECS", "PAYLOAD_DECODERS"):
        for path in getattr(settings, setting):
            try:
                import_string(path)
            except ImportError as error:
                text = f"AION[{setting!r}]: {path!r} cannot be imported: {error}"
                yield Error(text, id="aion.E020")
                return
    try:
        sealer()
    except PayloadCodecError as error:
        yield Warning(
            str(error),
            hint="Where nothing works for Aion (a build without secrets) that does no harm.",
            id="aion.W020",
        )
    for setting, check_id in (("PAYLOAD_STORAGE", "aion.E021"), ("RETENTION_ARCHIVE", "aion.E022")):
        alias = getattr(settings, setting)
        if alias and alias not in storages.backends:
            known = ", ".join(storages.backends)
            text = f"AION[{setting!r}] = {alias!r} is not in STORAGES (there are: {known})"
            yield Error(text, id=check_id)
    alias = settings.PAYLOAD_STORAGE
    if alias and settings.PAYLOAD_STORE_ABOVE > settings.PAYLOAD_REFUSE:
        text = "AION['PAYLOAD_STORE_ABOVE'] is above PAYLOAD_REFUSE, the most that may lie in a row"
        yield Error(text, id="aion.E021")


def _check_alias() -> Iterable[CheckMessage]:
    from aion.models import Run

    alias = settings.DATABASE
    if alias not in connections.databases:
        known = ", ".join(connections.databases)
        yield Error(
            f"AION['DATABASE'] = {alias!r} is not in DATABASES (there are: {known})", id="aion.E003"
        )
        return
    routed = router.db_for_write(Run)
    if routed != alias:
        yield Error(
            f"AION['DATABASE'] is {alias!r}, but the database routers send Aion's tables to "
            f"{routed!r}: starts would not join the transactions of callers",
            hint="Route the app label 'aion' to the alias, or change AION['DATABASE'].",
            id="aion.E003",
        )


@register("aion")
def check_definitions(app_configs: Sequence[AppConfig] | None, **_: Any) -> Iterable[CheckMessage]:
    """E004: a name defined twice; E005: a workflow; E006: an activity; E007: the wall clock."""
    yield from (Error(clash, id="aion.E004") for clash in registry.clashes)
    for workflow in registry.workflows.values():
        for problem in workflow.problems:
            yield Error(f"Workflow {workflow.name} ({workflow.origin}) {problem}", id="aion.E005")
        for found in workflow.impurities:
            yield Error(f"Workflow {workflow.name}: {found}", id="aion.E007")
    for activity in registry.activities.values():
        for problem in activity.problems:
            yield Error(f"Activity {activity.name} ({activity.origin}) {problem}", id="aion.E006")


@register(Tags.database)
def check_database(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> Iterable[CheckMessage]:
    """E008 to E010: an unfit database, isolation, kinds; W002: no tables; W003: SQLite; W005: a pooler."""
    if find_problems(getattr(django_settings, "AION", {})):
        return
    alias = settings.DATABASE
    if alias not in (databases or ()):
        return
    connection = connections[alias]
    if connection.vendor not in ("postgresql", "sqlite"):
        yield Error(
            f"Aion needs PostgreSQL or SQLite; database {alias!r} is {connection.vendor}",
            id="aion.E008",
        )
        return
    if connection.vendor == "postgresql":
        yield from _check_isolation(alias)
        yield from _check_pooler(alias)
    elif connection.settings_dict["OPTIONS"].get("transaction_mode") != "IMMEDIATE":
        yield Warning(
            f"SQLite database {alias!r} begins transactions as readers; with several writers some will "
            "fail with 'database is locked'",
            hint='Set OPTIONS = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": '
            '"PRAGMA journal_mode=WAL;"} for it.',
            id="aion.W003",
        )
    yield from _check_tables(connection, alias)


def _check_tables(connection: BaseDatabaseWrapper, alias: str) -> Iterable[CheckMessage]:
    migrating = "migrate" in sys.argv[1:2]  # it runs the checks before it makes the tables
    tables = connection.introspection.table_names()
    if "aion_searchattribute" in tables:
        for name, given, kept in conflicts():
            yield Error(
                f"AION['SEARCH_ATTRIBUTES'] says that {name!r} is {given}, but the table of search "
                f"attributes says {kept}; the setting wins",
                hint="Remove one of them: `manage.py search_attributes remove --force` if it is the row.",
                id="aion.E010",
            )
    if not migrating and "aion_run" not in tables:
        yield Warning(
            f"Aion's tables are missing from database {alias!r}",
            hint="Run `manage.py migrate`.",
            id="aion.W002",
        )


def _check_isolation(alias: str) -> Iterable[CheckMessage]:
    with connections[alias].cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        row = cursor.fetchone()
    if row and row[0] != "read committed":
        yield Error(
            f"Database {alias!r} runs transactions at {row[0]!r}; Aion's locks assume read committed",
            hint="Remove isolation_level from the OPTIONS of this database.",
            id="aion.E009",
        )


def _check_pooler(alias: str) -> Iterable[CheckMessage]:
    """A pooler gives its clients a number of its own in place of the server process's."""
    needing = [
        f"AION[{name!r}] = {value!r}"
        for name, value in (("TUNE_SESSION", settings.TUNE_SESSION), ("BELL", settings.BELL))
        if value is True or str(value).endswith(".PostgresBell")
    ]
    if not needing:
        return
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        behind = cursor.fetchone()[0]
    if connections[alias].connection.info.backend_pid != behind:
        yield Warning(
            f"Database {alias!r} is behind a pooler, and {' and '.join(needing)} needs sessions of its own",
            hint="In transaction mode set TUNE_SESSION to False and take another bell. In session mode "
            "silence this.",
            id="aion.W005",
        )

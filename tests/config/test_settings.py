import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT, on_postgresql
from tests.sample.models import Effect

READ_SETTINGS = "from django.conf import settings; settings.configured or settings.DEBUG"
COUNT_EFFECTS = (
    "import django; django.setup(); from tests.sample.models import Effect;"
    "print(Effect.objects.count())"
)


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({}, "SECRET_KEY"),
        ({"SECRET_KEY": "x"}, "AION_DATABASE_URL"),
        ({"AION_DEMO": "1"}, "AION_DATABASE_URL"),
    ],
)
def test_production_names_the_variable_that_is_missing(
    variables: dict[str, str], missing: str
) -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings.production"}

    done = python(READ_SETTINGS, **settings, **variables)

    assert done.returncode != 0
    assert f"The environment variable {missing} is not set" in done.stderr


@pytest.mark.django_db(transaction=True)
def test_another_process_reaches_the_database_of_a_test(
    process_environment: dict[str, str],
) -> None:
    Effect.objects.create(key="seen from outside")

    done = python(COUNT_EFFECTS, **process_environment)

    assert done.stdout.strip() == "1", done.stderr


@pytest.mark.django_db
@pytest.mark.postgres
def test_the_second_pass_is_on_postgresql() -> None:
    assert on_postgresql()


@pytest.mark.redis
def test_redis_answers(redis_url: str) -> None:
    import redis

    with redis.Redis.from_url(redis_url) as server:
        assert server.ping()

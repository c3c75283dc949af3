import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings.databases import postgresql_database


def test_a_url_names_every_part() -> None:
    database = postgresql_database("postgresql://me:p%40ss@db.example:5433/shop?sslmode=require")

    assert database == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "USER": "me",
        "PASSWORD": "p@ss",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


def test_the_host_may_be_the_directory_of_a_socket() -> None:
    database = postgresql_database("postgresql://postgres@/shop?host=/tmp/pg")

    assert (database["HOST"], database["PORT"], database["OPTIONS"]) == ("/tmp/pg", "", {})


@pytest.mark.parametrize("url", ["", "shop", "mysql://me@host/shop", "postgresql://me@host/"])
def test_what_is_no_database_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="must look like postgresql://"):
        postgresql_database(url)

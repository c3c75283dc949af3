"""PostgreSQL, Redis and Celery workers; everything that differs per site is in the environment.

SECRET_KEY            required (not with AION_DEMO=1)
AION_DATABASE_URL     required: postgresql://user:password@host:port/name, or ?host=/socket/dir
AION_REDIS_URL        the bell; redis://127.0.0.1:6379/0 unless given
CELERY_BROKER_URL     the broker; AION_REDIS_URL unless given
ALLOWED_HOSTS         host names, separated by commas
CSRF_TRUSTED_ORIGINS  origins with their scheme, separated by commas
AION_LEASE            after how many seconds of silence a worker is dead; 15 unless given
AION_DEMO             1 for a throw-away installation on this machine: a fixed key, plain HTTP
"""

import os

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *
from config.settings.base import AION
from config.settings.databases import postgresql_database

DEMO = os.environ.get("AION_DEMO") == "1"


def _required(name: str, hint: str) -> str:
    value = os.environ.get(name)
    if not value:
        message = f"The environment variable {name} is not set: {hint}."
        raise ImproperlyConfigured(message)
    return value


def _listed(name: str, default: str = "") -> list[str]:
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


DEBUG = False
SECRET_KEY = (
    os.environ.get("SECRET_KEY") or "demo-only-this-key-is-in-the-repository-and-secret-to-nobody"
    if DEMO
    else _required("SECRET_KEY", "a long random string, the same for every process")
)
ALLOWED_HOSTS = _listed("ALLOWED_HOSTS", "localhost,127.0.0.1" if DEMO else "")
CSRF_TRUSTED_ORIGINS = _listed("CSRF_TRUSTED_ORIGINS")
SESSION_COOKIE_SECURE = not DEMO
CSRF_COOKIE_SECURE = not DEMO
SECURE_SSL_REDIRECT = not DEMO
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

DATABASES = {
    "default": {
        **postgresql_database(
            _required("AION_DATABASE_URL", "postgresql://user:password@host:port/name"),
        ),
        # For web requests; Celery tasks keep theirs by CELERY_DB_REUSE_MAX. No pool here: the
        # children of a prefork worker would close the sockets of their parent.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    },
}

REDIS_URL = os.environ.get("AION_REDIS_URL") or "redis://127.0.0.1:6379/0"

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL") or REDIS_URL
# A publisher that cannot reach the broker gives up soon; the sweep publishes again.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2}

AION = {
    **AION,
    "DISPATCHER": "aion_engine.runtime.dispatch.CeleryDispatcher",
    "BELL": "aion_engine.runtime.bells.RedisBell",
    "REDIS_URL": REDIS_URL,
}

from tests.api.conftest import open_run
from tests.support.fixtures import acting, clock, engine, script

__all__ = ["acting", "clock", "engine", "open_run", "script"]

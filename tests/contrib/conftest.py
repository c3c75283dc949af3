from tests.support.fixtures import acting, clock, engine, script

__all__ = ["acting", "clock", "engine", "script"]

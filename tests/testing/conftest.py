from aion_engine.testing.pytest_plugin import aion_env
from tests.support.fixtures import acting, script

__all__ = ["acting", "aion_env", "script"]

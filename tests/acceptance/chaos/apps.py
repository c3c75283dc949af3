from django.apps import AppConfig


class ChaosConfig(AppConfig):
    """The workload, and in processes that are to be disturbed the points at which they fail."""

    name = "tests.acceptance.chaos"

    def ready(self) -> None:
        from tests.acceptance.chaos import points

        points.install()

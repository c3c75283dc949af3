from django.apps import AppConfig


class SampleConfig(AppConfig):
    """Workflows and models that the tests share."""

    name = "tests.sample"
    default_auto_field = "django.db.models.BigAutoField"

from django.apps import AppConfig


class ProgramsConfig(AppConfig):
    name = "examples.programs"
    label = "programs"

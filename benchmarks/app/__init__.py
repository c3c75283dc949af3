"""The Django app whose workflows are measured."""

"""No pages: Django's checks, which a Celery worker runs, want to see a list."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []

"""The URLs of the shop: its admin, which shows Aion's pages too."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]

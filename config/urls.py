"""The URLs of the example project."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("aion/", include("aion_api.urls")),
    path("orders/", include("examples.orders.urls")),
]

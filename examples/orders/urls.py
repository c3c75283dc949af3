"""The URLs of the orders."""

from django.urls import path

from examples.orders import views

app_name = "orders"
urlpatterns = [
    path("", views.create, name="create"),
    path("<str:number>/approve/", views.approve, name="approve"),
]

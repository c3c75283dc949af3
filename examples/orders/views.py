"""Two requests: place an order, approve an order."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from aion import AionError
from examples.orders.models import Order, Product
from examples.orders.services import approve_order, place_order


class NewOrder(serializers.ModelSerializer):
    """The body of `POST /orders/`: a product's SKU and how many."""

    product = serializers.SlugRelatedField(slug_field="sku", queryset=Product.objects.all())

    class Meta:
        model = Order
        fields = ("product", "quantity")


class PlacedOrder(serializers.Serializer):
    """The order, and the workflow that carries it out."""

    number = serializers.CharField()
    workflow_id = serializers.CharField()


@extend_schema(request=NewOrder, responses={201: PlacedOrder})
@api_view(["POST"])
def create(request: Request) -> Response:
    """Place an order."""
    wanted = NewOrder(data=request.data)
    wanted.is_valid(raise_exception=True)
    order = place_order(**wanted.validated_data)
    return Response({"number": order.number, "workflow_id": order.workflow_id}, status=201)


@extend_schema(request=None, responses={202: None, 409: None})
@api_view(["POST"])
@permission_classes([IsAdminUser])
def approve(request: Request, number: str) -> Response:
    """Approve an order; 409 when it has ended."""
    order = get_object_or_404(Order, number=number)
    try:
        approve_order(order, by=request.user.get_username())
    except AionError as error:
        return Response({"detail": str(error), "code": error.code}, status=409)
    return Response(status=202)

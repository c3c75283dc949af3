"""Whether the system is alive, for load balancers and monitors."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from aion.access import Verb, access
from aion.core.plain import plain
from aion.operations.doctor import Diagnosis, diagnose
from aion.operations.health import Health as Found
from aion.operations.health import health
from aion_api import outputs
from aion_api.views.base import AionView, ProblemView

Report = outputs.serializer_of(Found, "Health")


Findings = outputs.serializer_of(Diagnosis, "Diagnosis")


class Doctor(AionView):
    """The doctor."""

    @extend_schema(operation_id="get_diagnosis", responses={200: Findings, 403: outputs.Problem})
    def get(self, request: Request) -> Response:
        """Say what is stuck, why, and what to do; the worst first. It names runs of everybody."""
        if access().scope(request.user):
            raise PermissionDenied("The doctor is for those who may see every run")
        return Response(plain(diagnose()))


class Health(ProblemView):
    """Health; strangers learn `ok` and nothing else."""

    permission_classes = (AllowAny,)
    renderer_classes = (JSONRenderer,)

    @extend_schema(operation_id="get_health", responses={200: Report, 503: Report})
    def get(self, request: Request) -> Response:
        """Say whether workers are alive and deadlines are looked at; 503 when not."""
        try:
            found = plain(health())
        except DatabaseError:
            found = {"ok": False, "problems": ["the database does not answer"]}
        number = status.HTTP_200_OK if found["ok"] else status.HTTP_503_SERVICE_UNAVAILABLE
        if not (request.user.is_authenticated and access().may(request.user, Verb.VIEW)):
            found = {"ok": found["ok"]}
        body: dict[str, Any] = found
        return Response(body, number)

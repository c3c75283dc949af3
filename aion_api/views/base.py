"""What every view shares: JSON only, authenticated, a permission for each verb, problems as errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.conf import settings as django_settings
from rest_framework import exceptions, serializers, status
from rest_framework.parsers import JSONParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aion import client
from aion.access import Verb, access
from aion.client import RunDescription, WorkflowHandle
from aion.core.errors import RunNotFound
from aion.core.nesting import check_depth
from aion_api import problems


class TooLarge(exceptions.APIException):
    """The body is larger than Django takes."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request body is too large."
    default_code = "payload_too_large"


class Body(JSONParser):
    """JSON that does not nest so deep that somebody who reads it later could not."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Read the body.

        Raises:
            ParseError: it is no JSON, or nests too deep.
        """
        try:
            value = super().parse(stream, media_type, parser_context)
            check_depth(value)
        except (RecursionError, ValueError) as error:
            why = "it nests too deep" if isinstance(error, RecursionError) else error
            raise exceptions.ParseError(f"JSON parse error - {why}") from error
        return value


class ProblemView(APIView):
    """A view whose errors are problem documents, whatever the project does elsewhere."""

    def get_exception_handler(self) -> Callable[..., Any]:
        """Answer errors as problem documents."""
        return problems.handle

    def handle_exception(self, exc: Exception) -> Response:
        """Answer an error, in JSON also where the view gives something else."""
        answer: Response = super().handle_exception(exc)
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return answer


class AionView(ProblemView):
    """A view of Aion's. `verb` is what it asks permission for, `verbs` that for single methods."""

    verb: ClassVar[Verb] = Verb.VIEW
    verbs: ClassVar[Mapping[str, Verb]] = {}
    permission_classes = (IsAuthenticated,)
    parser_classes = (Body,)
    renderer_classes = (JSONRenderer,)
    throttle_scope = "aion"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse strangers, then those without the permission, then bodies that are too large."""
        super().initial(request, *args, **kwargs)
        method = "GET" if request.method == "HEAD" else str(request.method)
        self.require(self.verbs.get(method, self.verb))
        most = django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if most is not None and _length(request) > most:
            raise TooLarge(f"The request body is larger than {most:,} bytes.")

    def require(self, verb: Verb, run: RunDescription | None = None) -> None:
        """Refuse what the user may not do.

        Raises:
            RunNotFound: the user may not even see the run.
            PermissionDenied: the user may not do this.
        """
        rules = access()
        if rules.may(self.request.user, verb, run):
            return
        if run is not None and not rules.may(self.request.user, Verb.VIEW, run):
            raise RunNotFound(
                f"No run has workflow id {run.workflow_id!r}", workflow_id=run.workflow_id
            )
        raise exceptions.PermissionDenied(f"This needs the permission {verb.permission}.")

    def read(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """Give the body, checked.

        Raises:
            ValidationError: it is not what the serializer expects.
        """
        checked = serializer(data=self.request.data)
        checked.is_valid(raise_exception=True)
        values: dict[str, Any] = checked.validated_data
        return values

    def read_query(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """Give the query parameters, checked.

        Raises:
            ValidationError: they are not what the serializer expects.
        """
        checked = serializer(data=self.request.query_params)
        checked.is_valid(raise_exception=True)
        values: dict[str, Any] = checked.validated_data
        return values


class RunView(AionView):
    """A view of one run: of a workflow id, the open run or else the newest; or of `run_id`."""

    def run(self, workflow_id: str) -> tuple[WorkflowHandle, RunDescription]:
        """Find the run, if the user may do to it what the view does.

        Raises:
            RunNotFound: there is none that the user may see.
        """
        run_id = self.request.query_params.get("run_id") or None
        description = client.get_workflow_handle(workflow_id, run_id).describe()
        self.require(self.verb, description)
        # Without a run id, a verb means whatever run is open when it is carried out.
        return client.get_workflow_handle(workflow_id, run_id), description


def _length(request: Request) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0

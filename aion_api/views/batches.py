"""One verb for many runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from aion import client
from aion.access import PermissionAccess, Verb, access
from aion.core.errors import RunNotFound
from aion.core.plain import plain
from aion_api import inputs, outputs
from aion_api.views.base import AionView
from aion_api.views.workflows import IDEMPOTENCY_KEY

_DO: Final[dict[str, tuple[Verb, Callable[..., client.BulkResult]]]] = {
    "cancel": (Verb.CANCEL, client.cancel_workflows),
    "terminate": (Verb.TERMINATE, client.terminate_workflows),
    "signal": (Verb.SIGNAL, client.signal_workflows),
    "pause": (Verb.PAUSE, client.pause_workflows),
    "resume": (Verb.RESUME, client.resume_workflows),
    "reopen": (Verb.REOPEN, client.reopen_workflows),
    "release": (Verb.RELEASE, client.release_workflows),
    "reset": (Verb.RESET, client.reset_workflows),
}


class Batches(AionView):
    """Verbs for many runs. They ask for the permission to list, and for that of the verb."""

    @extend_schema(
        operation_id="batch_workflows",
        parameters=[IDEMPOTENCY_KEY],
        request=inputs.Batch,
        responses={200: outputs.BatchReport, 400: outputs.Problem, 403: outputs.Problem},
    )
    def post(self, request: Request) -> Response:
        """Do a verb to the runs that a query means: at most `limit`, each in a transaction of its own.

        `cursor` of the answer goes on behind them; null says that it is through.
        """
        body = self.read(inputs.Batch)
        verb, do = _DO[body["verb"]]
        self.require(verb)
        options: dict[str, Any] = {
            name: body[name] for name in ("limit", "dry_run", "cursor", "reason")
        }
        words: list[Any] = []
        if verb is Verb.RELEASE:
            del options["reason"]
        if verb is Verb.RESET:
            options |= {"to": body["to"], "reapply_signals": body["reapply_signals"]}
        if verb is Verb.SIGNAL:
            del options["reason"]
            words = [body["signal"], *body["args"]]
            options["kwargs"] = body["kwargs"]
        result = do(
            body["query"],
            *words,
            within=access().scope(request.user),
            allow=self._allow(verb),
            request_id=request.headers.get("Idempotency-Key", ""),
            **options,
        )
        return Response(plain(result))

    def _allow(self, verb: Verb) -> Callable[[Any], bool] | None:
        """Give what decides on each run, where the project's rules look at runs."""
        rules, user = access(), self.request.user
        if getattr(type(rules), "may", None) is PermissionAccess.may:
            return None

        def allow(listed: Any) -> bool:
            try:
                run = client.get_workflow_handle(listed.workflow_id, listed.id).describe()
            except RunNotFound:
                return False
            return rules.may(user, Verb.VIEW, run) and rules.may(user, verb, run)

        return allow

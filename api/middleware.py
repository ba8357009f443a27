"""Around the whole application: a name for each request, one line in the log, and an answer when all else fails.

The line holds the method, the path, the status and the time it took: no query, no body, no header.
"""

import re
import time
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.cards import masked
from api.errors import Problem, problem_of
from perennial.observability import metrics

REQUEST_ID_HEADER = "X-Request-Id"
MOST_BODY_BYTES = 1024 * 1024
_USABLE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Asked every few seconds by whoever watches over us.
_QUIET = frozenset({"/healthz", "/readyz"})

_SUBSCRIPTION = re.compile(r"/(?:v1|v1/support|dashboard)/subscriptions/(sub_\w{1,64})(?:/|$)")
UNKNOWN_ROUTE = "unknown"
# What follows the invoice in the link of a mail opens it: not for logs.
_PAY_LINK = re.compile(r"(/pay/[^/]*/).*")

_log = structlog.get_logger("api.access")


class RequestContext:
    """Pure ASGI: a middleware class of Starlette would run the application in another task."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id, **_subject(scope))
        started = time.perf_counter()
        status: int | None = None

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID_HEADER.lower().encode(), request_id.encode())]
            await send(message)

        try:
            _refuse_nul(scope)
            await self._app(scope, _limited(receive), named)
        except Exception as error:
            problem = problem_of(error)
            if problem.status is HTTPStatus.INTERNAL_SERVER_ERROR:
                _log.exception("request_failed", error=type(error).__name__)
            if status is not None:
                raise
            await problem.response()(scope, receive, named)
        finally:
            _report(scope, status, time.perf_counter() - started)


def route_of(scope: Scope) -> str:
    """The pattern of the route that has answered; one name for all addresses that there are not."""
    return getattr(scope.get("route"), "path", UNKNOWN_ROUTE)


def _subject(scope: Scope) -> dict[str, str]:
    """The subscription that a request is about, for every line of the log that it leads to."""
    found = _SUBSCRIPTION.match(scope["path"])
    return {"subscription_id": found[1]} if found else {}


def _refuse_nul(scope: Scope) -> None:
    """PostgreSQL's texts hold no NUL: nothing has such an id."""
    if "\0" in scope["path"]:
        raise Problem(HTTPStatus.NOT_FOUND, "not_found", "nothing has such an id")


def _limited(receive: Receive) -> Receive:
    """Raises Problem: 413 where the body is read. Starlette's own limit answers in plain text."""
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MOST_BODY_BYTES:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", f"a body has {MOST_BODY_BYTES} bytes at most"
            )
        return message

    return limited


def _request_id(scope: Scope) -> str:
    """The caller's, if it is fit for a log; a new one otherwise."""
    sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    return sent if _USABLE.fullmatch(sent) and masked(sent) == sent else str(uuid4())


def _report(scope: Scope, status: int | None, seconds: float) -> None:
    path = scope["path"]
    if path in _QUIET:
        return
    metrics.answered(scope["method"], route_of(scope), status or HTTPStatus.INTERNAL_SERVER_ERROR, seconds)
    line: dict[str, Any] = {"method": scope["method"], "path": masked(_PAY_LINK.sub(r"\1...", path)), "status": status}
    _log.info("request", **line, ms=round(seconds * 1000, 1))

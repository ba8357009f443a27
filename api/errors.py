"""Every refusal as a problem of RFC 9457: the one place that turns errors into HTTP.

`type` is `urn:perennial:problem:<code>`, and `code` says the same in short. Codes are stable, texts are not. What the
caller sent is never repeated by the validation of a body: it may hold what must not be kept.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match
from temporalio.service import RPCError, RPCStatusCode

from perennial.domain.errors import CommandRefused, EngineUnavailable, InvalidInput, NotFound, PerennialError
from perennial.domain.networks import CardBudgetSpent
from perennial.domain.usage import WrongEvents
from perennial.engine.runs import RefusedBySubscription
from perennial.ports import GatewayError, GatewayRefused, InvalidSignature
from perennial.temporal.codec import CannotDecrypt

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:perennial:problem:"
# A part that is restarted is back within seconds; clients that come together are spread by their own jitter.
RETRY_AFTER_SECONDS = 5

# How the Temporal SDK says that a client's first connection has failed: no class of its own, only these words.
_CANNOT_CONNECT = "Failed client connect"

# How pydantic writes the member of an enumeration that tells forms apart.
_ENUM_MEMBER = re.compile(r"<[\w.]+: ('[^']*')>")

_log = structlog.get_logger(__name__)

# What belongs to another status than its branch of the tree; first match wins.
_STATUS: tuple[tuple[type[PerennialError], HTTPStatus], ...] = (
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (CommandRefused, HTTPStatus.CONFLICT),
    (NotFound, HTTPStatus.NOT_FOUND),
    (EngineUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (InvalidSignature, HTTPStatus.BAD_REQUEST),
    (CannotDecrypt, HTTPStatus.SERVICE_UNAVAILABLE),
    (GatewayRefused, HTTPStatus.UNPROCESSABLE_ENTITY),
    (GatewayError, HTTPStatus.SERVICE_UNAVAILABLE),
)
_TITLES = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read",
    HTTPStatus.UNAUTHORIZED: "An API key is required",
    HTTPStatus.FORBIDDEN: "The API key's role does not allow this",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Method not allowed",
    HTTPStatus.CONFLICT: "The state of things does not allow this",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A value is not acceptable",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong on our side",
    HTTPStatus.SERVICE_UNAVAILABLE: "Temporarily unavailable",
}
_CODES = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}


class Problem(Exception):
    """A refusal of the HTTP layer itself: no key, a body that is too large, a key that is in use."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more

    def body(self) -> dict[str, Any]:
        return {
            "type": TYPE_PREFIX + self.code,
            "title": _TITLES.get(self.status, self.status.phrase),
            "status": self.status.value,
            "detail": self.detail,
            "code": self.code,
            **self.more,
        }

    def response(self) -> Response:
        return JSONResponse(self.body(), self.status.value, self.headers, MEDIA_TYPE)


def unavailable(detail: str, **more: Any) -> Problem:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, EngineUnavailable.code, detail, headers=headers, **more)


def invalid(field: str, message: str, code: str = InvalidInput.code) -> Problem:
    errors = [{"field": field, "message": message}]
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, code, f"{field}: {message}", errors=errors)


def problem_of(error: Exception) -> Problem:
    """What an error means to a caller. An unknown one is a defect: 500, without a word of what it holds."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return _of_validation(error)
        case PerennialError():
            return _of_domain(error)
        case OperationalError() | InterfaceError() | PoolTimeout():
            return unavailable("PostgreSQL is away")
        case DBAPIError() if error.connection_invalidated:
            return unavailable("PostgreSQL is away")
        case RPCError() if error.status is RPCStatusCode.INVALID_ARGUMENT:
            return unavailable(f"Temporal refuses it: {error.message}")
        case RPCError():
            return unavailable("Temporal does not answer")
        case RuntimeError() if str(error).startswith(_CANNOT_CONNECT):
            return unavailable("Temporal is away")
        case HTTPException():
            status = HTTPStatus(error.status_code)
            code = _CODES.get(status, status.phrase.lower().replace(" ", "_"))
            return Problem(status, code, str(error.detail), headers=error.headers)
        case _:
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "The request id leads to the cause.")


def _of_domain(error: PerennialError) -> Problem:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
    if status is HTTPStatus.CONFLICT and error.code in _INVALID_CODES:
        # A workflow has refused a value: what crosses its border is the code, not the class.
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    more: dict[str, Any] = {}
    headers = {}
    if isinstance(error, CommandRefused):
        more["subject"] = error.subject
    if isinstance(error, CardBudgetSpent):
        more["again_at"] = error.again_at.isoformat()
    if isinstance(error, WrongEvents):
        more["errors"] = [{"field": field, "message": message} for field, message in error.wrong]
    elif isinstance(error, InvalidInput | RefusedBySubscription) and error.field:
        more["errors"] = [{"field": error.field, "message": error.message}]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status is None:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        _log.error("unexpected_domain_error", code=error.code)
    return Problem(status, error.code, error.message, headers=headers, **more)


def _of_validation(error: RequestValidationError) -> Problem:
    errors = [_wrong(detail, error.body) for detail in error.errors()]
    named = ", ".join(dict.fromkeys(error["field"] for error in errors))
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "validation_failed", f"not acceptable: {named}", errors=errors)


def _wrong(detail: dict[str, Any], body: Any) -> dict[str, str]:
    """Of a body with several forms: the field by which they are told apart; what was sent in it is not repeated."""
    context = detail.get("ctx", {})
    named, message = context.get("field"), str(detail["msg"])
    match detail["type"]:
        case "union_tag_not_found":
            named, message = context["discriminator"].strip("'"), "Field required"
        case "union_tag_invalid":
            tags = _ENUM_MEMBER.sub(r"\1", context["expected_tags"])
            named, message = context["discriminator"].strip("'"), f"Input should be one of {tags}"
    return {"field": _field(_sent(detail["loc"], body), named), "message": message}


def _sent(location: tuple[str | int, ...], body: Any) -> tuple[str | int, ...]:
    """Without the names of forms, with which pydantic leads to a field: no caller has sent them."""
    if location[:1] != ("body",):
        return location
    path: list[str | int] = ["body"]
    for part in location[1:-1]:
        was_sent = part in body if isinstance(body, dict) else isinstance(body, list)
        if was_sent:
            path.append(part)
            body = body[part]
    return (*path, *location[1:][-1:])


def _field(location: tuple[str | int, ...], named: str | None) -> str:
    """`prices.USD.tiers[1].up_to`; where in the request (body, query, path) is clear from the name.

    A rule over several fields names one of them itself. A body that is no JSON has a place and no field.
    """
    if named:
        location = (*location, named)
    if location[:1] == ("body",) and all(isinstance(part, int) for part in location[1:]):
        return "body"
    path = ""
    for part in location[1:]:
        # pydantic's word for: it is the name of the field that is wrong; and ours for the forms that a body may have
        if part in ("[key]", "[one]", "[batch]"):
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or str(location[0])


def _codes(kind: type[PerennialError]) -> set[str]:
    return {kind.code}.union(*(_codes(child) for child in kind.__subclasses__()))


_INVALID_CODES = frozenset(_codes(InvalidInput))


def _allowed(request: Request) -> list[str]:
    """Every method of the path: the router names only those of the first route that has it."""
    routes = request.app.router.routes

    def is_known(method: str) -> bool:
        asked = {**request.scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in routes)

    return [method for method in ("GET", "POST", "PATCH", "DELETE") if is_known(method)]


def install(app: FastAPI) -> None:
    """Starlette looks a handler up by the class of the error, so each branch of the tree is named.

    A defect is passed on, to where it is logged and answered.
    """

    async def handle(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status is HTTPStatus.METHOD_NOT_ALLOWED:
            problem.headers["Allow"] = ", ".join(_allowed(request))
        if problem.status is HTTPStatus.INTERNAL_SERVER_ERROR:
            raise error
        return problem.response()

    for kind in (
        Problem,
        RequestValidationError,
        PerennialError,
        OperationalError,
        InterfaceError,
        PoolTimeout,
        RPCError,
        RuntimeError,
        HTTPException,
    ):
        app.add_exception_handler(kind, handle)

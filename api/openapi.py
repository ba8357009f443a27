"""The OpenAPI 3.1 document: what FastAPI cannot know by itself is added here, the problems above all."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.errors import MEDIA_TYPE
from api.middleware import REQUEST_ID_HEADER
from api.permissions import roles_of
from perennial.roles import Role

DESCRIPTION = """
Subscriptions that live for years. Every subscription is one durable workflow: commands here are sent to it, reads come
from the database.

**Money** is whole numbers in minor units with an ISO 4217 currency; prices of plans are decimal strings in major units.
**Instants** are ISO 8601 with a zone; answers are in UTC. **Errors** are problems of RFC 9457
(`application/problem+json`) with a stable `code`. **Idempotency-Key**: the same POST with the same key is done once.
**Lists** come newest first, a page at a time: send `next_cursor` as `cursor`. **Card numbers** are refused everywhere;
send a gateway's token.
"""

TAGS = [
    {"name": "subscriptions", "description": "Begin, look at, preview."},
    {"name": "commands", "description": "Everything that moves a subscription. 409 says why one is refused."},
    {"name": "customers", "description": "Who subscribes, and the tokens of their payment methods."},
    {"name": "checkout", "description": "A payment page of ours: subscribe, pay an invoice, add a payment method."},
    {"name": "catalogue", "description": "Plans, their versions, coupons."},
    {"name": "dunning", "description": "What happens when payments fail, by plan and by group of customers."},
    {"name": "routing", "description": "Which gateway new business goes to, and what comes after it in an outage."},
    {"name": "usage", "description": "Meters, usage events by the thousand, and what customers are entitled to."},
    {"name": "documents", "description": "Invoices, one-off ones too, payments, credit notes."},
    {"name": "seller", "description": "Who sells, where tax is collected, and rates of the merchant's own."},
    {"name": "gifts", "description": "Prepaid subscriptions for somebody else."},
    {"name": "test clocks", "description": "Years of billing in seconds."},
    {"name": "messages", "description": "The local mailbox."},
    {"name": "reports", "description": "What the engine has done, by day and month, off the ledger and the documents."},
    {"name": "findings", "description": "What differs between us and the gateways, or from what must hold."},
    {"name": "support", "description": "Looks inside, sets back, mends, puts aside; each action with its reason."},
    {"name": "webhooks", "description": "What gateways send; signed, without an API key."},
    {"name": "health", "description": "For load balancers and supervisors; without an API key."},
]

_PROBLEM = {
    "title": "Problem",
    "description": "A refusal, as RFC 9457 has it.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:perennial:problem:not_paused"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "In words; may change."},
        "code": {"type": "string", "description": "Stable.", "examples": ["not_paused"]},
        "subject": {"type": "string", "description": "The id of what refused a command."},
        "needs": {
            "type": "array",
            "items": {"type": "string", "enum": ["admin", "support", "finance"]},
            "description": "The roles of API keys that may do it.",
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "checks": {"type": "array", "items": {"type": "object"}, "description": "Of `/readyz`: the parts."},
    },
}
_MEANINGS = {
    400: "The body cannot be read: it is not UTF-8, or holds numbers beyond reason.",
    401: "No API key, or an unknown one.",
    403: "The role of the API key does not allow it; `needs` names the roles that do.",
    404: "Something that the path or the body names does not exist.",
    409: "The state of things does not allow it, or the Idempotency-Key is in use.",
    413: "The body is larger than one MiB.",
    422: "A value is not acceptable; `errors` names the fields.",
    503: "PostgreSQL, Temporal or the gateway is away. Nothing has been done; try again after `Retry-After` seconds.",
}


def _declared(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    declared: dict[str, Any] = {
        "description": _MEANINGS[status],
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        declared["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}}
    if status == HTTPStatus.UNAUTHORIZED:
        declared["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return declared


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals that an operation declares."""
    return {status: _declared(status) for status in sorted(statuses)}


READ = problems(401, 404, 422, 503)
WRITE = problems(400, 401, 404, 409, 413, 422, 503)


def accepted(schema: type) -> dict[int | str, dict[str, Any]]:
    where = {"description": "Where it is told what became of it.", "schema": {"type": "string"}}
    return {
        202: {
            "model": schema,
            "description": "Accepted and durable; what follows from it is still going on.",
            "headers": {"Location": where},
        }
    }


def operation_id(route: APIRoute) -> str:
    """The name of the function: what a generated client calls its methods."""
    return route.name


def install(app: FastAPI) -> None:
    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # as FastAPI documents it


def _build(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        license_info=app.license_info,
    )
    document["components"]["schemas"]["Problem"] = _PROBLEM
    for path, method, operation in (
        (path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ):
        if "security" in operation and set(roles_of(method.upper(), path)) != set(Role):
            operation["responses"] |= {str(status): told for status, told in problems(403).items()}
        for response in operation["responses"].values():
            response.setdefault("headers", {})[REQUEST_ID_HEADER] = {
                "schema": {"type": "string"},
                "description": "Names this request in our logs. Send one to choose it.",
            }
    return document

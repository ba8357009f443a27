"""Webhooks in: whoever signs correctly may speak. No API key."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from api.deps import EngineDep
from api.openapi import problems
from perennial.engine import webhooks

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

_BODY = {
    "requestBody": {
        "required": True,
        "description": "Whatever the gateway sends, signed as the gateway signs.",
        "content": {"application/json": {"schema": {"type": "object"}, "examples": {"event": {"value": {}}}}},
    }
}


class Received(BaseModel):
    """`duplicate`: the event had been received before, and nothing further was done."""

    received: bool = True
    duplicate: bool


@router.post("/{gateway}", responses=problems(400, 404, 413, 422, 503), openapi_extra=_BODY)
async def receive_webhook(
    gateway: Annotated[str, Path(max_length=64)], request: Request, engine: EngineDep
) -> Received:
    """Stored under the gateway's own event id, then passed on to the subscription or gift that it is about."""
    fresh = await webhooks.receive(engine, gateway, await request.body(), dict(request.headers))
    return Received(duplicate=not fresh)

"""The way to the customer's bank, where 3-D Secure asks: for gateways that begin it when the customer comes."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.deps import EngineDep
from perennial.domain.errors import NotFound
from perennial.ports import GatewayRefused, RedirectsToBank

router = APIRouter(prefix="/stripe", include_in_schema=False)

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Your payment</title></head>
<body style="font:16px/1.5 system-ui;max-width:34rem;margin:4rem auto"><h1>Your payment</h1><p>{words}</p>
</body></html>"""
_ANSWERED = "Thank you. Your bank has answered, and you will get a message about it in a moment."
_NOTHING_TO_DO = "There is nothing left to confirm here."


@router.get("/authenticate/{gateway_ref}")
async def ask_the_bank(
    gateway_ref: Annotated[str, Path(max_length=255)], request: Request, engine: EngineDep
) -> Response:
    """Where `action_url` of a payment leads. The payment itself is told of the answer by a webhook."""
    gateway = engine.gateways.find("stripe")
    if gateway is None or not isinstance(gateway, RedirectsToBank):
        raise NotFound("charge", gateway_ref)
    back = str(request.url_for("come_back"))
    try:
        url = await asyncio.to_thread(gateway.authentication_url, gateway_ref, back)
    except GatewayRefused as error:
        raise NotFound("charge", gateway_ref) from error
    return RedirectResponse(url, status_code=303) if url else HTMLResponse(_PAGE.format(words=_NOTHING_TO_DO))


@router.get("/answered", response_class=HTMLResponse)
async def come_back() -> HTMLResponse:
    """Where the bank sends the customer afterwards. What stands in the address is not believed."""
    return HTMLResponse(_PAGE.format(words=_ANSWERED))

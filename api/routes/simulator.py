"""The page of the customer's bank, where 3-D Secure asks. For the simulator gateway alone; never in production."""

import asyncio
import html
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from api.deps import EngineDep
from perennial.domain.errors import NotFound
from perennial.engine.context import Engine
from perennial.gateways.simulator import SimulatorGateway
from perennial.ports import ChargeStatus, GatewayRefused

router = APIRouter(prefix="/simulator", include_in_schema=False)

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Your bank (simulated)</title></head>
<body style="font:16px/1.5 system-ui;max-width:34rem;margin:4rem auto"><h1>Your bank</h1>{content}</body></html>"""
_QUESTION = """<p>A merchant wants to charge your card: <code>{reference}</code>. Is that you?</p>
<form method="post" action="?outcome=pass"><button>Yes, authenticate</button></form>
<form method="post" action="?outcome=fail"><button>No, refuse</button></form>"""
_ANSWERS = {
    ChargeStatus.SUCCEEDED: "Thank you. The payment went through.",
    ChargeStatus.DECLINED: "The payment was refused.",
}

Outcome = Annotated[Literal["pass", "fail"], Query()]


@router.get("/authenticate/{gateway_ref}", response_class=HTMLResponse)
async def ask_customer(gateway_ref: str, engine: EngineDep) -> HTMLResponse:
    """Where `action_url` of a payment leads."""
    _simulator(engine, gateway_ref)
    return HTMLResponse(_PAGE.format(content=_QUESTION.format(reference=html.escape(gateway_ref))))


@router.post("/authenticate/{gateway_ref}", response_class=HTMLResponse)
async def authenticate(gateway_ref: str, engine: EngineDep, outcome: Outcome) -> HTMLResponse:
    """The customer's answer; only the first one counts. The gateway tells us by webhook."""
    gateway = _simulator(engine, gateway_ref)
    try:
        result = await asyncio.to_thread(gateway.authenticate, gateway_ref, success=outcome == "pass")
    except GatewayRefused as error:
        raise NotFound("charge", gateway_ref) from error
    words = _ANSWERS.get(result.status, f"The payment is {result.status.value}.")
    return HTMLResponse(_PAGE.format(content=f"<p>{html.escape(words)}</p>"))


def _simulator(engine: Engine, gateway_ref: str) -> SimulatorGateway:
    if not isinstance(engine.gateway, SimulatorGateway):
        raise NotFound("charge", gateway_ref)
    return engine.gateway

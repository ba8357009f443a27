"""The customer's bank: the page where 3-D Secure asks, and its word on disputes.

For the simulator gateway alone; never in production.
"""

import asyncio
import html
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.deps import EngineDep
from perennial import links
from perennial.domain.disputes import DisputeStatus
from perennial.domain.errors import NotFound
from perennial.engine import disputes
from perennial.engine.context import Engine
from perennial.gateways.simulator import SimulatorGateway
from perennial.ports import ChargeStatus

router = APIRouter(prefix="/simulator", include_in_schema=False)

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Your bank (simulated)</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,"><style>
body {{ margin: 0; padding: 1rem; background: #eceff3; color: #16202e; font: 16px/1.5 system-ui, sans-serif }}
main {{ max-width: 26rem; margin: 12vh auto 0; padding: 2rem; background: #fff; border-top: 4px solid #8a5a00;
border-radius: .5rem; box-shadow: 0 1px 4px #16202e33; overflow-wrap: anywhere }}
h1 {{ margin: 0 0 .5rem; font-size: 1.4rem }} code {{ font-size: .85em }}
button {{ width: 100%; margin-top: .75rem; padding: .8rem; border: 1px solid #8a5a00; border-radius: .4rem;
background: #8a5a00; color: #fff; font: inherit; font-weight: 600; cursor: pointer }}
form + form button {{ background: #fff; color: #5f3e00 }}
</style></head><body><main><h1>Your bank (simulated)</h1>{content}</main></body></html>"""
_QUESTION = """<p>A merchant wants to charge your card. Is that you?</p><p><code>{reference}</code></p>
<form method="post" action="?{passes}"><button>Yes, authenticate</button></form>
<form method="post" action="?{fails}"><button>No, refuse</button></form>"""
_ANSWERS = {
    ChargeStatus.SUCCEEDED: "Thank you. The payment went through.",
    ChargeStatus.DECLINED: "The payment was refused.",
}

Outcome = Annotated[Literal["pass", "fail"], Query()]
ReturnUrl = Annotated[str | None, Query(max_length=2000)]


@router.get("/authenticate/{gateway_ref}", response_class=HTMLResponse)
async def ask_customer(gateway_ref: str, engine: EngineDep, return_url: ReturnUrl = None) -> HTMLResponse:
    """Where `action_url` of a payment leads."""
    await asyncio.to_thread(_simulator, engine, gateway_ref)
    back = {"return_url": return_url} if return_url else {}
    passes, fails = (html.escape(urlencode({"outcome": outcome} | back)) for outcome in ("pass", "fail"))
    question = _QUESTION.format(reference=html.escape(gateway_ref), passes=passes, fails=fails)
    return HTMLResponse(_PAGE.format(content=question))


@router.post("/authenticate/{gateway_ref}", response_model=None)
async def authenticate(gateway_ref: str, engine: EngineDep, outcome: Outcome, return_url: ReturnUrl = None) -> Response:
    """The customer's answer; only the first one counts. The gateway tells us by webhook."""
    gateway = await asyncio.to_thread(_simulator, engine, gateway_ref)
    result = await asyncio.to_thread(gateway.authenticate, gateway_ref, success=outcome == "pass")
    # To our own pages alone: this page must not be good for sending people anywhere.
    if return_url and return_url.startswith(f"{links.public_url(engine.settings)}/"):
        return RedirectResponse(return_url, HTTPStatus.SEE_OTHER.value)
    words = _ANSWERS.get(result.status, f"The payment is {result.status.value}.")
    return HTMLResponse(_PAGE.format(content=f"<p>{html.escape(words)}</p>"))


@router.post("/disputes/{payment_id}")
async def dispute(payment_id: str, engine: EngineDep, outcome: DisputeStatus = DisputeStatus.OPEN) -> dict[str, str]:
    """The cardholder contests a charge (`open`), or their bank decides. The gateway tells us by webhook."""
    return {"gateway_ref": await disputes.simulate(engine, payment_id, outcome), "outcome": outcome.value}


def _simulator(engine: Engine, gateway_ref: str) -> SimulatorGateway:
    """Where the charge is; a charge is at one simulator alone. Raises NotFound."""
    for gateway in engine.gateways:
        if isinstance(gateway, SimulatorGateway) and gateway.knows(gateway_ref):
            return gateway
    raise NotFound("charge", gateway_ref)

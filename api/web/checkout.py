"""The checkout page: what is bought, how to pay, and what became of it. It charges nothing: the workflow does.

The link's secret goes into a cookie at once, so that it stands in no address, history or referrer; the form carries it
in its body. Every POST is answered with a redirect.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.deps import EngineDep
from api.web import pages
from api.web.methods import NEW, SAVED, TEST_CARDS, token_of
from api.web.offers import Offer, offer_of
from api.web.views import show
from perennial import links
from perennial.db.models import CheckoutSession
from perennial.domain.errors import CommandRefused, InvalidInput, NotFound
from perennial.engine import checkout, checkout_submission
from perennial.engine.checkout import Mode, SessionStatus
from perennial.engine.checkout_standing import Step, look
from perennial.engine.checkout_submission import Choice, Role
from perennial.engine.context import Engine
from perennial.gateways.simulator import SimulatorGateway

router = APIRouter(prefix="/checkout", include_in_schema=False, route_class=pages.PageRoute)

SessionId = Annotated[str, Path(max_length=64)]


@router.get("/{session_id}")
async def show_checkout(
    session_id: SessionId,
    request: Request,
    engine: EngineDep,
    key: Annotated[str | None, Query(max_length=128)] = None,
    looks: Annotated[int, Query(ge=0, le=1000)] = 0,
    changed: Annotated[bool, Query()] = False,  # noqa: FBT002 - a mark in the address
) -> Response:
    """Where the link leads; with its key, to the same page without it."""
    if key is not None:
        return enter(engine, await checkout.opened(engine, session_id, key), key)
    row = await _opened(request, engine, session_id)
    if row.setup_ref and row.status == SessionStatus.OPEN:
        await checkout_submission.take_card(engine, row)
    standing = await look(engine, session_id)
    notice = "changed" if changed else standing.row.refusal
    return await show(request, engine, standing, secret=_cookie(request, session_id), looks=looks, notice=notice)


@router.post("/{session_id}")
async def send_checkout(session_id: SessionId, request: Request, engine: EngineDep) -> Response:
    """The customer has chosen. The form names the try: sent twice it is one."""
    form = {name: values[-1] for name, values in parse_qs((await request.body()).decode(errors="replace")).items()}
    row = await checkout.opened(engine, session_id, form.get("key", ""))
    here = f"{pages.root(engine.settings)}/checkout/{session_id}"
    choice = _choice(engine, row, form)
    if row.mode == Mode.SUBSCRIPTION and (offer := await _offer_anew(engine, row)):
        if offer.fingerprint != form.get("shown"):
            return _go(f"{here}?changed=true")
        choice = replace(choice, is_needed=offer.needs_method)
    await checkout_submission.submit(engine, session_id, choice)
    return _go(here)


@router.get("/{session_id}/bank")
async def go_to_bank(session_id: SessionId, request: Request, engine: EngineDep) -> Response:
    """3-D Secure begins: to the page of the customer's bank, which sends them to `back`."""
    await _opened(request, engine, session_id)
    here = f"{pages.root(engine.settings)}/checkout/{session_id}"
    standing = await look(engine, session_id)
    url = None
    if standing.step is Step.BANK:
        back = f"{links.public_url(engine.settings)}/checkout/{session_id}/back"
        url = await checkout_submission.bank_url(engine, standing, back)
        if url is None:  # answered before, and neither its webhook nor the way back has told us
            await checkout_submission.ask_again(engine, standing)
    return _go(url or f"{here}?looks=1")


@router.get("/{session_id}/back")
async def come_back(session_id: SessionId, request: Request, engine: EngineDep) -> Response:
    """From the bank. What stands in the address is not believed: the workflow asks the gateway."""
    await _opened(request, engine, session_id)
    standing = await look(engine, session_id)
    if standing.step is Step.BANK:
        await checkout_submission.ask_again(engine, standing)
    return _go(f"{pages.root(engine.settings)}/checkout/{session_id}?looks=1")


def enter(engine: Engine, row: CheckoutSession, secret: str) -> Response:
    """To the session's page, with its secret in a cookie that no other site can send along with a form."""
    path = f"{pages.root(engine.settings)}/checkout/{row.id}"
    answer = _go(path)
    answer.set_cookie(
        _cookie_name(row.id),
        secret,
        max_age=int(checkout.LONGEST.total_seconds()),
        path=path,
        secure=links.public_url(engine.settings).startswith("https://"),
        httponly=True,
        samesite="lax",
    )
    return answer


async def _opened(request: Request, engine: Engine, session_id: str) -> CheckoutSession:
    """Raises NotFound without the session's cookie."""
    return await checkout.opened(engine, session_id, _cookie(request, session_id))


def _cookie(request: Request, session_id: str) -> str:
    return request.cookies.get(_cookie_name(session_id), "")


def _cookie_name(session_id: str) -> str:
    return f"checkout_{session_id}"


def _go(url: str) -> RedirectResponse:
    return RedirectResponse(url, HTTPStatus.SEE_OTHER.value, {"Cache-Control": "no-store"})


def _choice(engine: Engine, row: CheckoutSession, form: dict[str, str]) -> Choice:
    """Raises NotFound for a form that is not ours."""
    kind, _, name = form.get("method", "").partition(":")
    chosen: dict[str, Any] = {}
    if kind == SAVED and name:
        chosen["method"] = name
    elif kind == NEW and name in TEST_CARDS and isinstance(engine.gateways.find(row.gateway), SimulatorGateway):
        chosen["token"] = token_of(name, row.customer_id)
    try:
        return Choice(tries=int(form.get("tries", "")), role=Role(form.get("role", Role.NONE)), **chosen)
    except ValueError:
        raise NotFound("form of checkout session", row.id) from None


async def _offer_anew(engine: Engine, row: CheckoutSession) -> Offer | None:
    """What a subscription that has not begun would cost now: not something else than the customer has seen."""
    standing = await look(engine, row.id)
    if standing.subscription is not None or not standing.step.takes_tries:
        return None
    try:
        return await engine.read(lambda session: offer_of(engine, session, standing))
    except (CommandRefused, InvalidInput):
        return None  # creating it will say why

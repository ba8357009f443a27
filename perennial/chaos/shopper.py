"""A customer's browser at the checkout page: opens it, chooses a card, goes to the bank and back. Until it is paid."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any

import httpx

from perennial import links
from perennial.chaos.kinds import Kind
from perennial.chaos.page import Page
from perennial.chaos.patience import PAUSE_SECONDS, OutOfPatience, persist
from perennial.chaos.visits import Leaves, Visit
from perennial.engine.context import Engine
from perennial.engine.ids import new_id

# Longer than for the API, which answers after ten seconds as things stand: the page is asked until it is paid.
PATIENCE_SECONDS = 400.0
# The invoice of a renewal: it is there when the renewal has come and a worker lives.
_INVOICE_SECONDS = 40.0
# The customer closes the browser so soon after pressing the button; whether anything was done nobody knows.
_GIVES_UP_SECONDS = 0.02
_LOST_SHARE = 0.3
_LOOKS_SECONDS = 0.2
# Two to the power of this, in seconds.
_LONGEST_PAUSE = 4
_REFUSED = (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
_PAID = ("done", "already_paid")
_OVER = ("void", "ended", "expired", "gone")


@dataclass(frozen=True, slots=True)
class Try:
    """A card that was handed in: its token, the method that it became, and the name of what the workflow was asked."""

    request_id: str
    token: str
    method: str


@dataclass(slots=True)
class Visited:
    """`paid`: the page has said so. `invoice` is None where there was nothing to pay, and for new subscriptions."""

    session: str = ""
    invoice: str | None = None
    tries: dict[int, Try] = field(default_factory=dict)
    refusals: int = 0
    paid: bool = False


class Shopper:
    """`injected` counts the answers that were lost."""

    def __init__(
        self, engine: Engine, http: httpx.AsyncClient, injected: Counter[Kind], *, loses_answers: bool
    ) -> None:
        self._engine = engine
        self._http = http
        self._injected = injected
        self._loses_answers = loses_answers
        self._authorization = f"Bearer {engine.settings.api_keys[0]}"

    async def subscribe(self, visit: Visit, customer: str, terms: Mapping[str, Any], key: str) -> Visited:
        """A new subscription through a session of the merchant's. Raises OutOfPatience."""
        order = {"mode": "subscription", "customer_id": customer, **terms}
        if visit.first_leaves_another:
            await self._leave(await self._session(order, f"{key}:left"))
        session = await self._session(order, key)
        assert session is not None, "nothing stands against a first subscription"
        visited = Visited(session["id"])
        await self._go_through(visited, session["url"], visit, customer, key)
        return visited

    async def pay(self, visit: Visit, customer: str, subscription: str, key: str, *, waits: bool) -> Visited:
        """The oldest open invoice; with `waits` it may still have to be issued. Raises OutOfPatience."""
        invoice = await self._open_invoice(subscription, _INVOICE_SECONDS if waits else 0)
        visited = Visited(invoice=invoice)
        if invoice is None:
            return visited
        url = links.pay_url(self._engine.settings, invoice)
        if not visit.by_link:
            session = await self._session({"mode": "invoice", "invoice_id": invoice}, key)
            if session is None:  # paid, or given up, in the meantime
                return visited
            visited.session, url = session["id"], session["url"]
        await self._go_through(visited, url, visit, customer, key)
        return visited

    async def _go_through(self, visited: Visited, url: str, visit: Visit, customer: str, key: str) -> None:
        """From the first look to the end. Whoever gets no answer opens the page anew, and presses again if need be."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        chance = Random(f"browser {key}")  # noqa: S311 - a plan, no secret
        page: Page | None = None
        while time.monotonic() < deadline or (page and page.kind in _PAID):
            page = page or await self._look(url)
            if page is None:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if page.kind in _PAID or page.kind in _OVER:
                visited.paid = page.kind in _PAID
                return
            # What a bank asks before anything was chosen here is about another card: this one takes its place.
            is_another = page.kind == "bank" and not (visited.tries and visit.goes_to_bank)
            if page.kind == "choose" or is_another:
                if visit.leaves is Leaves.PAGE:
                    return
                page = await self._press(visited, page, visit, customer, chance)
            elif page.kind == "bank" and page.refresh is None:
                if visit.leaves is Leaves.BANK:
                    return
                page = await self._pass_bank(page)
            else:  # it works, waits for the bank's word, or is out of order
                await asyncio.sleep(_LOOKS_SECONDS)
                page = await self._look(page.refresh) if page.refresh else None
        raise OutOfPatience(f"{key}: the page says {page.kind if page else 'nothing'}")

    async def _press(self, visited: Visited, page: Page, visit: Visit, customer: str, chance: Random) -> Page | None:
        """The button. Who has pressed it before waits longer each time: what is out of order stays so for a while."""
        visited.session = page.session
        n = int(page.fields["tries"]) + 1
        pressed = len(visited.tries)
        await asyncio.sleep(2.0 ** min(pressed, _LONGEST_PAUSE) if pressed else visit.hesitates)
        visited.refusals += page.alert and n not in visited.tries
        card = visit.cards[min(visited.refusals, len(visit.cards) - 1)]
        token = f"{card}:{customer}"
        method = new_id("pm", f"{visited.session}:{token}")
        visited.tries.setdefault(n, Try(f"checkout:{visited.session}:{n}", token, method))
        data = page.fields | {"method": f"new:{card}"}
        if self._loses_answers and chance.random() < _LOST_SHARE:
            self._injected[Kind.LOST_ANSWER] += 1
            await self._quietly(asyncio.wait_for(self._http.post(page.actions[0], data=data), _GIVES_UP_SECONDS))
            return None
        return await self._page("POST", page.actions[0], data)

    async def _pass_bank(self, page: Page) -> Page | None:
        """There and back. A bank that asks nothing any more has sent the customer back already."""
        bank = await self._look(page.bank)
        yes = next((action for action in bank.actions if "outcome=pass" in action), None) if bank else None
        return await self._page("POST", yes, {}) if yes else bank

    async def _leave(self, session: dict[str, Any] | None) -> None:
        """Opened and never used."""
        if session is not None:
            await self._look(session["url"])

    async def _look(self, url: str) -> Page | None:
        return await self._page("GET", url)

    async def _page(self, method: str, url: str, data: dict[str, str] | None = None) -> Page | None:
        """None when nothing came."""
        answer = await self._quietly(self._http.request(method, url, data=data, follow_redirects=True))
        return Page(str(answer.url), answer.text) if answer is not None else None

    async def _quietly(self, call: Any) -> httpx.Response | None:
        try:
            answer: httpx.Response = await call
        except (TimeoutError, httpx.HTTPError):
            return None
        return answer

    # --- what the merchant's own server does --------------------------------------------------------------------------

    async def _session(self, body: dict[str, Any], key: str) -> dict[str, Any] | None:
        """A checkout session; None when what it is for cannot be done (any more)."""
        headers = {"Authorization": self._authorization, "Idempotency-Key": key}

        async def post() -> dict[str, Any] | None:
            response = await self._http.post("/v1/checkout-sessions", json=body, headers=headers)
            told: dict[str, Any] = response.json()
            if response.status_code in _REFUSED and told.get("code") != "request_in_progress":
                return None
            response.raise_for_status()
            return told

        return await persist(post, PATIENCE_SECONDS, key)

    async def _open_invoice(self, subscription: str, seconds: float) -> str | None:
        deadline = time.monotonic() + seconds
        asked = {"subscription_id": subscription, "status": "open"}

        async def get() -> list[dict[str, Any]]:
            response = await self._http.get(
                "/v1/invoices", params=asked, headers={"Authorization": self._authorization}
            )
            response.raise_for_status()
            found: list[dict[str, Any]] = response.json()["data"]
            return found

        while not (found := await persist(get, PATIENCE_SECONDS, subscription)):
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(_LOOKS_SECONDS)
        return str(min(found, key=lambda each: (each["issued_at"], each["id"]))["id"])

"""What people use: API and checkout page, as browsers do; signals, as support does. Again until it answers."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from random import Random
from typing import Any

import httpx
from temporalio.service import RPCError, RPCStatusCode

from perennial.chaos.expectation import Answer, Asked
from perennial.chaos.kinds import Kind
from perennial.chaos.patience import PAUSE_SECONDS, persist
from perennial.chaos.population import Wish
from perennial.chaos.shopper import Shopper
from perennial.domain.subscription import commands as c
from perennial.engine import plans
from perennial.engine.context import RPC_TIMEOUT, Engine
from perennial.engine.ids import new_id
from perennial.gateways.registry import api_url

PATIENCE_SECONDS = 240.0
# The customer closes the browser so soon after pressing the button; whether anything was done nobody knows.
_GIVES_UP_SECONDS = 0.02
_LOST_SHARE = 0.4
_REFUSED = (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
_PATHS = {
    "retry_payment": "retry-payment",
    "cancel": "cancel",
    "undo_cancel": "undo-cancel",
    "change_plan": "change-plan",
    "change_quantity": "change-quantity",
    "pause": "pause",
    "resume": "resume",
    "skip_next": "skip-next",
}
# 409s that say "not now" and nothing about the wish itself.
_LATER = {"request_in_progress", "clock_advancing"}


@dataclass(frozen=True, slots=True)
class Request:
    """One wish of one person, at the instant at which their clock stands. `key` names it, also when it comes again."""

    subscription: str
    wish: Wish
    body: dict[str, Any]
    key: str
    at: datetime
    currency: str


class Portal:
    """`injected` counts the answers that were lost."""

    def __init__(self, engine: Engine, injected: Counter[Kind], *, loses_answers: bool) -> None:
        self._engine = engine
        self._injected = injected
        self._loses_answers = loses_answers
        self._api_key = engine.settings.api_keys[0]
        # Our own API on our own machine: a proxy of the environment has no business here.
        limits = httpx.Limits(max_connections=50)
        self._http = httpx.AsyncClient(base_url=api_url(engine.settings), trust_env=False, timeout=30, limits=limits)
        self.shopper = Shopper(engine, self._http, injected, loses_answers=loses_answers)

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, request: Request) -> Asked:
        """Raises OutOfPatience when nobody answers for a long time."""
        if request.wish.by_signal:
            command = await self._command(request, new_id("req", f"{request.subscription}:{request.key}"))
            return Asked(command, await self._signal(request, command))
        path = f"/v1/subscriptions/{request.subscription}/{_PATHS[request.wish.command]}"
        command = await self._command(request, self._request_id(path, request.key))
        headers = {"Authorization": f"Bearer {self._api_key}", "Idempotency-Key": request.key}
        chance = Random(f"answer {request.key}")  # noqa: S311 - a plan, no secret
        if self._loses_answers and chance.random() < _LOST_SHARE:
            await self._lose_answer(path, request.body, headers)
        answer = await persist(lambda: self._post(path, request.body, headers), PATIENCE_SECONDS, request.key)
        return Asked(command, answer)

    def _request_id(self, path: str, key: str) -> str:
        """As the API names what a request makes. Imported here: the library does not know the application."""
        from api.idempotency import scope_of
        from api.security import name_of

        return new_id("req", scope_of(name_of(self._api_key.encode()), "POST", path, key))

    async def _lose_answer(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
        self._injected[Kind.LOST_ANSWER] += 1
        try:
            await asyncio.wait_for(self._http.post(path, json=body, headers=headers), _GIVES_UP_SECONDS)
        except (TimeoutError, httpx.HTTPError):
            return

    async def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        """Raises what says that there is no answer yet."""
        while True:
            response = await self._http.post(path, json=body, headers=headers)
            code = response.json().get("code") if response.status_code in _REFUSED else None
            if code not in _LATER:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        if response.status_code in _REFUSED:
            return Answer.REFUSED
        response.raise_for_status()
        # Taken in, but not done within ten seconds: what became of it in the end was not told.
        return Answer.UNKNOWN if response.status_code == HTTPStatus.ACCEPTED else Answer.ACCEPTED

    async def _signal(self, request: Request, command: c.Command) -> Answer:
        """Nobody answers a signal; one that nobody was there to hear has not been sent."""
        handle = self._engine.temporal.get_workflow_handle(request.subscription)

        async def send() -> Answer:
            try:
                await handle.signal(request.wish.command, command, rpc_timeout=RPC_TIMEOUT)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return Answer.REFUSED
            return Answer.UNKNOWN

        return await persist(send, PATIENCE_SECONDS, request.key)

    async def _command(self, request: Request, request_id: str) -> c.Command:
        """What the wish means to the core."""
        at, body = request.at, request.body
        match request.wish.command:
            case "retry_payment":
                return c.RetryPayment(request_id=request_id, at=at)
            case "cancel":
                refund = c.RefundPolicy(body["refund"]) if "refund" in body else None
                return c.Cancel(when=c.When(body["when"]), refund=refund, request_id=request_id, at=at)
            case "undo_cancel":
                return c.UndoCancel(request_id=request_id, at=at)
            case "change_plan":
                terms = await persist(
                    lambda: plans.terms(self._engine, body["plan"], request.currency), PATIENCE_SECONDS, "terms"
                )
                return c.ChangePlan(terms=terms, request_id=request_id, at=at)
            case "change_quantity":
                return c.ChangeQuantity(quantity=body["quantity"], request_id=request_id, at=at)
            case "pause":
                return c.PauseSubscription(request_id=request_id, at=at)
            case "resume":
                return c.Resume(request_id=request_id, at=at)
            case "skip_next":
                return c.SkipNext(request_id=request_id, at=at)
        message = f"nobody can wish {request.wish.command}"
        raise ValueError(message)

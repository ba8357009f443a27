"""What happens around every route of `/v1`: who asks, no card numbers, the same request only once."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.cards import refuse_cards
from api.idempotency import answer_once, claim_of
from api.permissions import authorise
from api.security import authenticate

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """The key and its role come first: who has none is not told what is wrong with his body."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            caller = authenticate(request)
            authorise(caller.role, request.method, self.path)
            body = await request.body()
            refuse_cards(body)
            claim = claim_of(request, caller.name, body) if request.method == "POST" else None
            request.state.seed = claim.scope if claim else None
            if claim is None:
                return await handle(request)
            return await answer_once(request.app.state.engine, claim, lambda: handle(request))

        return guarded

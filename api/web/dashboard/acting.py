"""What support does with one press of a button and a reason: through the same desk as the API and the command line."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from api.deps import EngineDep
from api.web.dashboard.guard import PATH, DashboardRoute, FormDep, SessionDep, go
from api.web.dashboard.session import Session
from api.web.dashboard.start import Id
from perennial.engine.context import Engine
from perennial.support import desk
from perennial.support.audit import Who

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=DashboardRoute)


def who(session: Session, form: dict[str, str]) -> Who:
    """Raises InvalidInput: there is no reason."""
    return Who(session.caller.actor, form.get("reason", ""))


def _button(place: str, name: str, act: Callable[[Engine, Who, str], Awaitable[Any]]) -> None:
    """`place`: subscriptions, or others (gifts, one-off invoices, credit notes, migrations)."""

    @router.post(f"/{place}/{{subject}}/{name}")
    async def press(subject: Id, request: Request, engine: EngineDep, session: SessionDep, form: FormDep) -> Response:
        await act(engine, who(session, form), subject)
        return go(request, f"/{place}/{subject}?done=true")


_button("subscriptions", "retry", desk.retry)
_button("others", "retry", desk.retry)
_button("subscriptions", "rebuild", desk.rebuild)
_button("subscriptions", "park", desk.park)
_button("subscriptions", "unpark", desk.unpark)

"""What support does with one press of a button and a reason: through the same desk as the API and the command line."""

from fastapi import APIRouter, Request, Response

from api.deps import EngineDep
from api.web.dashboard.guard import PATH, DashboardRoute, FormDep, SessionDep, go
from api.web.dashboard.session import Session
from api.web.dashboard.start import Id
from perennial.engine.ids import new_id
from perennial.support import desk
from perennial.support.audit import Who

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=DashboardRoute)


def who(session: Session, form: dict[str, str]) -> Who:
    """Raises InvalidInput: there is no reason."""
    return Who(session.caller.actor, form.get("reason", ""))


@router.post("/subscriptions/{subject}/retry")
async def retry(subject: Id, request: Request, engine: EngineDep, session: SessionDep, form: FormDep) -> Response:
    """Tries now what is stuck."""
    await desk.retry(engine, who(session, form), subject)
    return go(request, f"/subscriptions/{subject}?done=true")


@router.post("/others/{subject}/retry")
async def retry_other(subject: Id, request: Request, engine: EngineDep, session: SessionDep, form: FormDep) -> Response:
    """The same for a gift, a one-off invoice, a credit note or a migration."""
    await desk.retry(engine, who(session, form), subject)
    return go(request, f"/others/{subject}?done=true")


@router.post("/subscriptions/{subject}/rebuild")
async def rebuild(subject: Id, request: Request, engine: EngineDep, session: SessionDep, form: FormDep) -> Response:
    """Writes its rows again from its history."""
    await desk.rebuild(engine, who(session, form), subject)
    return go(request, f"/subscriptions/{subject}?done=true")


@router.post("/subscriptions/{subject}/park")
async def park(subject: Id, request: Request, engine: EngineDep, session: SessionDep, form: FormDep) -> Response:
    """Puts it aside."""
    await desk.park(engine, who(session, form), subject, new_id("req"))
    return go(request, f"/subscriptions/{subject}?done=true")


@router.post("/subscriptions/{subject}/unpark")
async def unpark(subject: Id, request: Request, engine: EngineDep, session: SessionDep, form: FormDep) -> Response:
    """Takes it up again."""
    await desk.unpark(engine, who(session, form), subject, new_id("req"))
    return go(request, f"/subscriptions/{subject}?done=true")

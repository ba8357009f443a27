"""Setting a subscription back: the steps of its life, what a reset would do, and doing just that."""

from hashlib import sha256
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.deps import EngineDep
from api.errors import Problem
from api.web.dashboard.acting import who
from api.web.dashboard.guard import PATH, DashboardRoute, FormDep, SessionDep, go, page
from api.web.dashboard.start import Id
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.support import desk
from perennial.support.plan import Plan
from perennial.support.reset import life, planned
from workflows.registry import WORKFLOWS

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=DashboardRoute)

# What stands for "before what went wrong" where the number of a step can stand.
BEFORE_ERROR = "error"


@router.get("/subscriptions/{subject}/reset")
async def show_steps(
    subject: Id, request: Request, engine: EngineDep, to: Annotated[str | None, Query(max_length=100)] = None
) -> Response:
    """The steps; with `to`, what a reset to that one would do. Nothing is done."""
    if to is None:
        line, steps = await life(engine, subject)
        return page(
            request,
            "steps.html",
            title=f"Reset {subject}",
            subject=subject,
            steps=list(reversed(steps)),
            is_whole=line.is_whole,
            before_error=BEFORE_ERROR,
        )
    wanted = await _planned(engine, subject, to)
    return page(
        request,
        "reset.html",
        title=f"Reset {subject}",
        subject=subject,
        plan=wanted,
        to=to,
        shown=_fingerprint(wanted),
        request_id=new_id("req"),
    )


@router.post("/subscriptions/{subject}/reset")
async def reset(subject: Id, request: Request, engine: EngineDep, session: SessionDep, form: FormDep) -> Response:
    """Does what was shown, and nothing else. The form names the request: sent twice it is one reset.

    Raises:
        Problem: 409, something has happened since, so that it would be another reset.
    """
    asking = who(session, form)
    wanted = await _planned(engine, subject, form.get("to", ""))
    if _fingerprint(wanted) != form.get("shown"):
        raise Problem(HTTPStatus.CONFLICT, "unchanged", "something has happened since you looked; nothing was done")
    await desk.reset(engine, asking, wanted, new_id("req", form.get("request")))
    return go(request, f"/subscriptions/{subject}?done=true")


async def _planned(engine: Engine, subject: str, to: str) -> Plan:
    if to == BEFORE_ERROR:
        return await planned(engine, subject, workflows=WORKFLOWS)
    return await planned(engine, subject, to=to)


def _fingerprint(wanted: Plan) -> str:
    """Of where to, of the steps that are done again and of what they find, and of the commands."""
    return sha256(repr((wanted.point, wanted.steps, wanted.commands)).encode()).hexdigest()[:32]

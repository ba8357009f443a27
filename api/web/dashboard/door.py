"""Signing in with an API key, and out."""

import re
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request, Response

from api.deps import EngineDep
from api.permissions import forbidden
from api.security import caller_of
from api.web.dashboard.guard import PATH, DashboardRoute, FormDep, OpenRoute, SessionDep, go, home, page
from api.web.dashboard.session import COOKIE, LIFETIME, ROLES, begin, end
from perennial import links

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=OpenRoute)
inside = APIRouter(prefix=PATH, include_in_schema=False, route_class=DashboardRoute)

# Where one may be led after signing in: to our own pages.
_PLACE = re.compile(r"(/[A-Za-z0-9_-]{1,64}){1,4}")

_log = structlog.get_logger(__name__)


@router.get("/sign-in")
async def show_sign_in(request: Request, wanted: Annotated[str, Query(alias="next", max_length=256)] = "") -> Response:
    """The form."""
    return _form(request, _place(wanted))


@router.post("/sign-in")
async def sign_in(request: Request, form: FormDep, engine: EngineDep) -> Response:
    """The key comes in the body and goes into nothing: the cookie bears the name of it."""
    wanted = _place(form.get("next", ""))
    caller = caller_of(engine.settings, form.get("key", "").strip())
    if caller is None:
        _log.warning("dashboard_sign_in_refused")
        return _form(request, wanted, "This is no API key of ours.", HTTPStatus.UNAUTHORIZED)
    if caller.role not in ROLES:
        said = forbidden(caller.role, ROLES).detail
        return _form(request, wanted, f"{said[:1].upper()}{said[1:]}.", HTTPStatus.FORBIDDEN)
    _log.info("dashboard_signed_in", actor=caller.actor, role=caller.role.value)
    answer = go(request, wanted)
    answer.set_cookie(
        COOKIE,
        begin(engine.settings, caller, engine.clock()),
        max_age=int(LIFETIME.total_seconds()),
        path=home(request),
        secure=links.public_url(engine.settings).startswith("https://"),
        httponly=True,
        samesite="strict",
    )
    return answer


@inside.post("/sign-out")
async def sign_out(request: Request, session: SessionDep, engine: EngineDep) -> Response:
    """Ends the session, whoever has a copy of its cookie, and takes the cookie away."""
    await engine.write(lambda db: end(db, session, engine.clock()))
    _log.info("dashboard_signed_out", actor=session.caller.actor)
    answer = go(request, "/sign-in")
    answer.delete_cookie(COOKIE, path=home(request), httponly=True, samesite="strict")
    return answer


def _form(request: Request, wanted: str, wrong: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    return page(request, "sign_in.html", status=status, title="Sign in", next=wanted, wrong=wrong)


def _place(wanted: str) -> str:
    return wanted if _PLACE.fullmatch(wanted) else ""

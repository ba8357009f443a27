"""What surrounds every page of the dashboard: who is signed in, whether a form is ours, and refusals in words."""

import hmac
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qs

import structlog
from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from api.cards import has_card_number
from api.errors import RETRY_AFTER_SECONDS, Problem, invalid, problem_of
from api.web import pages
from api.web.dashboard.session import COOKIE, Session, is_ended, opened
from api.web.dashboard.words import instant, plain, title_of, what_instead
from api.web.words import Words
from perennial.engine.context import Engine
from perennial.support.audit import LONGEST_REASON

PATH = "/dashboard"
_CROSS = frozenset({"cross-site", "same-site"})
_WORDS = Words("en")

_log = structlog.get_logger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def home(request: Request) -> str:
    """The path under which browsers see the dashboard."""
    return pages.root(request.app.state.settings) + PATH


def page(request: Request, template: str, *, status: int = HTTPStatus.OK, **context: Any) -> HTMLResponse:
    """A template of the dashboard, in the frame of who is signed in."""
    return pages.page(
        request,
        f"dashboard/{template}",
        _WORDS,
        status=status,
        home=home(request),
        session=getattr(request.state, "session", None),
        longest_reason=LONGEST_REASON,
        instant=instant,
        plain=plain,
        **context,
    )


def go(request: Request, path: str) -> RedirectResponse:
    """To another page of the dashboard, after a form."""
    return RedirectResponse(home(request) + path, HTTPStatus.SEE_OTHER.value, {"Cache-Control": "no-store"})


class OpenRoute(APIRoute):
    """For who is not signed in: refusals are pages, and no other site sends our forms."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def friendly(request: Request) -> Response:
            try:
                return await self.admit(request, handle)
            except Exception as error:  # noqa: BLE001 - whatever it is, people are told in words
                return _refusal(request, problem_of(error), error)

        return friendly

    async def admit(self, request: Request, handle: Handler) -> Response:
        if request.method == "POST":
            await _read_form(request)
        return await handle(request)


class DashboardRoute(OpenRoute):
    """For who is signed in. The signature comes first: nobody else is told whether anything exists."""

    async def admit(self, request: Request, handle: Handler) -> Response:
        engine: Engine = request.app.state.engine
        session = opened(request.app.state.settings, request.cookies.get(COOKIE, ""), engine.clock())
        if session is None or await engine.read(lambda db: is_ended(db, session)):
            return _at_the_door(request)
        request.state.session = session
        if request.method == "POST":
            form = await _read_form(request)
            if not hmac.compare_digest(form.get("token", "").encode(), session.token.encode()):
                raise Problem(HTTPStatus.FORBIDDEN, "form_not_ours", "this form is of another session")
        return await handle(request)


def _session(request: Request) -> Session:
    session: Session = request.state.session
    return session


def _form(request: Request) -> dict[str, str]:
    form: dict[str, str] = request.state.form
    return form


SessionDep = Annotated[Session, Depends(_session)]
FormDep = Annotated[dict[str, str], Depends(_form)]


async def _read_form(request: Request) -> dict[str, str]:
    """Raises Problem: it comes from another site, or has a card number in it."""
    if request.headers.get("Sec-Fetch-Site") in _CROSS:
        raise Problem(HTTPStatus.FORBIDDEN, "form_not_ours", "this form comes from another site")
    read = parse_qs((await request.body()).decode(errors="replace"))
    form = {name: values[-1].replace("\0", "") for name, values in read.items()}
    if any(has_card_number(value) for name, value in form.items() if name != "key"):
        raise invalid("form", "looks like a card number; nothing was written down", "card_number_refused")
    request.state.form = form
    return form


def _at_the_door(request: Request) -> Response:
    """To the sign-in, and from there back. A strict cookie does not come along from another site (the Temporal UI,
    a mail): the browser is asked to come once more, from ourselves.
    """
    if request.method == "GET" and request.headers.get("Sec-Fetch-Site") == "cross-site":
        return page(request, "again.html", title="One moment", here=str(request.url.path))
    wanted = request.url.path.removeprefix(PATH) if request.method == "GET" else ""
    return go(request, f"/sign-in?next={wanted}" if wanted else "/sign-in")


def _refusal(request: Request, problem: Problem, error: Exception) -> Response:
    if problem.status is HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.exception("page_failed", error=type(error).__name__)
    answer = page(
        request,
        "refused.html",
        status=problem.status,
        title=title_of(problem),
        said=problem.detail,
        instead=what_instead(problem.code),
    )
    if problem.status is HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer

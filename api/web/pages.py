"""Pages as answers: rendered from templates, loading nothing from elsewhere, with headers that hold them to it."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.errors import RETRY_AFTER_SECONDS, problem_of
from api.web.words import Words
from perennial import links
from perennial.config import Settings

ASSETS = Path(__file__).parent / "assets"
ASSETS_PATH = "/web"

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# Stripe's form is frames of its own; what these need, by Stripe's security guide. docs/checkout.md.
_STRIPE_POLICY = (
    _POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
    + "; script-src 'self' https://js.stripe.com https://*.js.stripe.com; connect-src https://api.stripe.com"
    + "; frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "strict-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)

_log = structlog.get_logger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def root(settings: Settings) -> str:
    """The path under which customers see the pages: empty, unless a proxy puts them below one."""
    return urlsplit(links.public_url(settings)).path


def page(
    request: Request,
    template: str,
    words: Words,
    *,
    status: int = HTTPStatus.OK,
    with_stripe: bool = False,
    **context: Any,
) -> HTMLResponse:
    """The template in these words."""
    assets = root(request.app.state.settings) + ASSETS_PATH
    body = _ENVIRONMENT.get_template(template).render(words=words, assets=assets, **context)
    policy = _STRIPE_POLICY if with_stripe else _POLICY
    return HTMLResponse(body, int(status), _HEADERS | {"Content-Security-Policy": policy})


def message(request: Request, words: Words, kind: str, status: int = HTTPStatus.OK, **values: Any) -> HTMLResponse:
    """A page that says one thing: the words `{kind}_title` and `{kind}_text`."""
    return page(
        request,
        "message.html",
        words,
        status=status,
        title=words(f"{kind}_title"),
        text=words(f"{kind}_text", **values),
        merchant="",
        kind=kind,
    )


class PageRoute(APIRoute):
    """What goes wrong is told to the customer on a page, never in the words of machines."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def friendly(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, a customer is told in words of their own
                problem = problem_of(error)
                if problem.status is HTTPStatus.INTERNAL_SERVER_ERROR:
                    _log.exception("page_failed", error=type(error).__name__)
                return _apology(request, problem.status)

        return friendly


def _apology(request: Request, status: HTTPStatus) -> Response:
    words = Words(spoken(request))
    match status:
        case HTTPStatus.SERVICE_UNAVAILABLE:
            answer = message(request, words, "unavailable", status)
            answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
            return answer
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            return message(request, words, "failed", status)
        case _:
            return message(request, words, "unknown", HTTPStatus.NOT_FOUND)


def spoken(request: Request) -> str:
    """The language that the browser asks for first, for pages that belong to no customer."""
    return request.headers.get("Accept-Language", "en").split(",")[0].split(";")[0].strip()

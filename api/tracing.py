"""A span for each request, by setting. It bears the route's pattern and the status; no query, no body, no header."""

from http import HTTPStatus

from opentelemetry import propagate, trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.middleware import route_of

_tracer = trace.get_tracer(__name__)


class Traced:
    """Pure ASGI, outside of everything else, so that what a request does hangs below its span."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        parent = propagate.extract({name: carrier[name] for name in ("traceparent", "tracestate") if name in carrier})
        with _tracer.start_as_current_span(
            scope["method"], parent, trace.SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
                        span.set_status(trace.StatusCode.ERROR)
                await send(message)

            await self._app(scope, receive, noted)
            span.update_name(f"{scope['method']} {route_of(scope)}")
            span.set_attribute("http.route", route_of(scope))

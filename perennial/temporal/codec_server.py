"""Shows encrypted payloads to the Temporal UI and the `temporal` command: the protocol of Temporal's remote codecs.

Whoever has the token reads everything that Temporal stores: ids, amounts, states. Names are not among it.
"""

import hmac
from http import HTTPStatus

from google.protobuf.json_format import MessageToDict, Parse, ParseError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payloads
from temporalio.converter import PayloadCodec

from perennial.temporal.codec import CannotDecrypt

# What the UI sends besides the body.
_HEADERS = ("Authorization", "Content-Type", "X-Namespace")


class CodecServer:
    """`origin`: the UI's, whose pages alone a browser lets read the answers; None: no page's."""

    def __init__(self, codec: PayloadCodec, token: str, origin: str | None) -> None:
        self._codec = codec
        self._expected = f"Bearer {token}".encode()
        self._origin = origin

    def application(self) -> Starlette:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=[self._origin] if self._origin else [],
            allow_methods=["POST"],
            allow_headers=_HEADERS,
        )
        routes = [
            Route("/encode", self._encode, methods=["POST"]),
            Route("/decode", self._decode, methods=["POST"]),
            Route("/healthz", self._alive),
        ]
        return Starlette(routes=routes, middleware=[cors])

    async def _encode(self, request: Request) -> Response:
        return await self._answer(request, encode=True)

    async def _decode(self, request: Request) -> Response:
        return await self._answer(request, encode=False)

    async def _alive(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _answer(self, request: Request, *, encode: bool) -> Response:
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), self._expected):
            unauthorized = {"WWW-Authenticate": "Bearer"}
            return JSONResponse({"message": "a bearer token is needed"}, HTTPStatus.UNAUTHORIZED, unauthorized)
        try:
            asked = Parse(await request.body(), Payloads()).payloads
            made = await (self._codec.encode(asked) if encode else self._codec.decode(asked))
        except (ParseError, UnicodeDecodeError):
            return JSONResponse({"message": "the body is not a list of payloads"}, HTTPStatus.BAD_REQUEST)
        except CannotDecrypt as error:
            return JSONResponse({"message": str(error)}, HTTPStatus.BAD_REQUEST)
        return JSONResponse(MessageToDict(Payloads(payloads=made)))

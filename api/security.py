"""API keys: `Authorization: Bearer <key>` or `X-API-Key: <key>`."""

import hmac
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from api.errors import Problem

# These declare the schemes in the OpenAPI document; `authenticate` reads the headers itself.
_bearer = HTTPBearer(auto_error=False, description="An API key of this engine.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key in a header of its own.")


def authenticate(request: Request) -> str:
    """A short, stable name of the key that was sent: what idempotency keys are scoped to. It says nothing of the key.

    Raises:
        Problem: 401, in the same words for a missing and for a wrong key.
    """
    sent = _sent(request).encode()
    known: tuple[str, ...] = request.app.state.settings.api_keys
    # Every key is compared, each in constant time: how long it takes tells nothing about which one was nearly right.
    matches = [hmac.compare_digest(sent, key.encode()) for key in known]
    if not sent or not any(matches):
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "unauthorized",
            "send an API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`",
            headers={"WWW-Authenticate": 'Bearer realm="perennial"'},
        )
    return name_of(sent)


def name_of(api_key: bytes) -> str:
    """What a key is called where it must not be named itself."""
    return sha256(api_key).hexdigest()[:16]


async def _require_key(
    request: Request, _b: Annotated[object, Security(_bearer)], _h: Annotated[object, Security(_header)]
) -> str:
    return authenticate(request)


REQUIRE_KEY = Security(_require_key)


def _sent(request: Request) -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return request.headers.get("X-API-Key", "")

"""API keys: `Authorization: Bearer <key>` or `X-API-Key: <key>`, and whose they are."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from api.errors import Problem
from perennial.config import Settings
from perennial.roles import Role

# These declare the schemes in the OpenAPI document; `authenticate` reads the headers itself.
_bearer = HTTPBearer(auto_error=False, description="An API key of this engine.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key in a header of its own.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key was sent. `name` is short and stable and says nothing of the key: idempotency keys are scoped to it.

    `actor` is what the record of what was done calls them.
    """

    name: str
    actor: str
    role: Role


def authenticate(request: Request) -> Caller:
    """Who asks.

    Raises:
        Problem: 401, in the same words for a missing and for a wrong key.
    """
    caller = caller_of(request.app.state.settings, _sent(request))
    if caller is None:
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "unauthorized",
            "send an API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`",
            headers={"WWW-Authenticate": 'Bearer realm="perennial"'},
        )
    return caller


def caller_of(settings: Settings, key: str) -> Caller | None:
    """None for a key that is none of ours."""
    sent = key.encode()
    # Every key is compared, each in constant time: how long it takes tells nothing about which one was nearly right.
    found = [caller for known, caller in _keys(settings) if hmac.compare_digest(sent, known)]
    return found[0] if sent and found else None


def caller_named(settings: Settings, name: str) -> Caller | None:
    """Whose key has this name; None when it has been taken back."""
    return next((caller for _, caller in _keys(settings) if caller.name == name), None)


def name_of(api_key: bytes) -> str:
    """What a key is called where it must not be named itself."""
    return sha256(api_key).hexdigest()[:16]


def _keys(settings: Settings) -> Iterator[tuple[bytes, Caller]]:
    for key in map(str.encode, settings.api_keys):
        yield key, Caller(name_of(key), f"api:{name_of(key)[:8]}", Role.ADMIN)
    for role, named in ((Role.SUPPORT, settings.support_keys), (Role.FINANCE, settings.finance_keys)):
        for each in named:
            key = each.key.encode()
            yield key, Caller(name_of(key), each.name, role)


async def _require_key(
    request: Request, _b: Annotated[object, Security(_bearer)], _h: Annotated[object, Security(_header)]
) -> Caller:
    return authenticate(request)


REQUIRE_KEY = Security(_require_key)


def _sent(request: Request) -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return request.headers.get("X-API-Key", "")

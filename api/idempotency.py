"""`Idempotency-Key`: the same POST twice is done once, and the second gets the first answer.

A request takes its key before it runs and leaves its answer under it. While it runs, another with the key gets 409. A
process that dies in between leaves the key taken; after `LEASE` it may be taken over. That is safe, for everything that
the request makes is named after the key: run again, it finds what it has already made.

Only answers are kept: what has failed on our side (5xx), and what was refused before it was understood (a body that
does not fit, no API key), leave the key free for another try.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.errors import MEDIA_TYPE, Problem, problem_of
from perennial.db.models import IdempotencyKey
from perennial.engine.context import Engine
from perennial.observability import metrics

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
LONGEST = 255
# Longer than any request that waits for an outcome. A test clock may take longer; its own lock guards it.
LEASE = timedelta(seconds=60)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """`scope` is the key with the API key and the route it belongs to, hashed: `seed` of everything that is made."""

    scope: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any] | None
    location: str | None


def claim_of(request: Request, api_key: str, body: bytes) -> Claim | None:
    """None without the header, or with one that the route's own validation is going to refuse."""
    key = request.headers.get(HEADER)
    if key is None or not is_usable(key):
        return None
    scope = scope_of(api_key, request.method, request.url.path, key)
    return Claim(scope, _digest(_canonical(body) + request.url.query.encode()))


def scope_of(api_key: str, method: str, path: str, key: str) -> str:
    """What everything is named after that a request with this key makes."""
    return _digest(f"{api_key}\n{method}\n{path}\n{key}".encode())


def is_usable(key: str) -> bool:
    return 0 < len(key) <= LONGEST and key.isascii() and key.isprintable()


async def answer_once(engine: Engine, claim: Claim, run: Callable[[], Awaitable[Response]]) -> Response:
    """Run the request unless it has been answered.

    Raises:
        Problem: 409, the key was used for another request, or this one is still running.
    """
    known = await engine.write(lambda session: _take(session, claim))
    metrics.idempotent("first" if known is None else "replayed")
    if known is not None:
        return _replay(known)
    try:
        response = await run()
    except RequestValidationError:
        await engine.write(lambda session: _release(session, claim))
        raise
    except Exception as error:
        problem = problem_of(error)
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            await _try(engine, claim, lambda session: _release(session, claim))
            raise
        response = problem.response()
    await _try(engine, claim, lambda session: _keep(session, claim, response))
    return response


async def _try(engine: Engine, claim: Claim, work: Callable[[Session], None]) -> None:
    """The request itself is over: what became of it is told even if it cannot be noted. The lease ends by itself."""
    try:
        await engine.write(work)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller's answer is more important
        _log.warning("idempotency_key_not_noted", scope=claim.scope[:12], error=type(error).__name__)


def _take(session: Session, claim: Claim) -> Answer | None:
    """None when the request may run; the answer of the first one when it has run."""
    taken = insert(IdempotencyKey).values(key=claim.scope, fingerprint=claim.fingerprint, created_at=func.now())
    statement = taken.on_conflict_do_nothing(index_elements=["key"]).returning(IdempotencyKey.key)
    if session.scalar(statement) is not None:
        return None
    # A row that goes away between these two statements was released: the caller may try again at once.
    row = session.scalar(select(IdempotencyKey).where(IdempotencyKey.key == claim.scope).with_for_update())
    if row is not None and row.fingerprint != claim.fingerprint:
        metrics.idempotent("reused")
        raise Problem(
            HTTPStatus.CONFLICT, "idempotency_key_reused", "this Idempotency-Key was used with another request"
        )
    if row is not None and row.status is not None:
        return Answer(row.status, row.body, row.location)
    if row is None or not _take_over(session, claim):
        metrics.idempotent("running")
        raise Problem(
            HTTPStatus.CONFLICT,
            "request_in_progress",
            "a request with this Idempotency-Key is still running",
            headers={"Retry-After": "1"},
        )
    return None


def _take_over(session: Session, claim: Claim) -> bool:
    """Whether the lease of a request that never answered is over. The row is locked."""
    expired = update(IdempotencyKey).where(
        IdempotencyKey.key == claim.scope, IdempotencyKey.created_at < func.now() - LEASE
    )
    statement = expired.values(created_at=func.now()).returning(IdempotencyKey.key)
    return session.scalar(statement) is not None


def _keep(session: Session, claim: Claim, response: Response) -> None:
    body = json.loads(bytes(response.body)) if response.body else None
    kept = update(IdempotencyKey).where(IdempotencyKey.key == claim.scope)
    location = response.headers.get("Location")
    session.execute(kept.values(status=response.status_code, body=body, location=location))


def _release(session: Session, claim: Claim) -> None:
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.key == claim.scope, IdempotencyKey.status.is_(None)))


def _replay(answer: Answer) -> Response:
    headers = {REPLAYED_HEADER: "true"} | ({"Location": answer.location} if answer.location else {})
    if answer.body is None:
        return Response(status_code=answer.status, headers=headers)
    media_type = MEDIA_TYPE if answer.status >= HTTPStatus.BAD_REQUEST else None
    return JSONResponse(answer.body, answer.status, headers, media_type)


def _canonical(body: bytes) -> bytes:
    """Equal for equal JSON: a client that writes its fields in another order means the same."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return body


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()

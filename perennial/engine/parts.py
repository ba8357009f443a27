"""Whether the parts are there that the engine stands on."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.service import RPCError, RPCStatusCode

import perennial.db
from perennial.domain.errors import EngineUnavailable
from perennial.engine.context import Engine
from perennial.observability.health import Part
from perennial.temporal.search_attributes import TYPES

TIMEOUT = timedelta(seconds=3)
# A hosted Temporal keeps this from its users.
_NOT_TOLD = (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED)


async def look(engine: Engine) -> list[Part]:
    """All parts at the same time, each within three seconds."""
    checks = (
        _checked("postgresql", engine.read(_ask)),
        _checked("migrations", _require_migrations(engine)),
        _checked("temporal", _require_namespace(engine)),
    )
    return list(await asyncio.gather(*checks))


async def require_temporal(engine: Engine) -> None:
    """Raises EngineUnavailable when Temporal does not answer."""
    try:
        is_up = await engine.temporal.service_client.check_health(timeout=TIMEOUT)
    except (RPCError, RuntimeError) as error:
        raise EngineUnavailable("Temporal is away") from error
    if not is_up:
        raise EngineUnavailable("Temporal is away")


async def _require_namespace(engine: Engine) -> None:
    """Raises EngineUnavailable, also when the namespace is not there or does not know our search attributes."""
    await require_temporal(engine)
    namespace = engine.settings.temporal_namespace
    request = ListSearchAttributesRequest(namespace=namespace)
    try:
        known = await engine.temporal.operator_service.list_search_attributes(request, timeout=TIMEOUT)
    except RPCError as error:
        if error.status in _NOT_TOLD:
            return
        raise EngineUnavailable(f"Temporal does not tell of its namespace {namespace!r}: {error.message}") from error
    if missing := sorted(TYPES.keys() - known.custom_attributes.keys()):
        raise EngineUnavailable(
            f"Temporal's namespace {namespace!r} lacks the search attributes {', '.join(missing)}: docs/deploying.md"
        )


async def _require_migrations(engine: Engine) -> None:
    found = await engine.read(_revision)
    if found != _head():
        raise EngineUnavailable(f"the database is at revision {found}, not {_head()}: run `perennial migrate`")


def _ask(session: Session) -> None:
    session.execute(text("SELECT 1"))


def _revision(session: Session) -> str | None:
    exists = session.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
    revision: str | None = session.scalar(text("SELECT version_num FROM alembic_version")) if exists else None
    return revision


@cache
def _head() -> str | None:
    # Imported here: a worker would spend a tenth of its start on it, and asks but rarely.
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(perennial.db.__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config).get_current_head()


async def _checked(name: str, check: Awaitable[None]) -> Part:
    try:
        await asyncio.wait_for(check, TIMEOUT.total_seconds())
    except EngineUnavailable as error:
        return Part(name, ok=False, detail=error.message)
    except TimeoutError:
        return Part(name, ok=False, detail="no answer within three seconds")
    return Part(name, ok=True)

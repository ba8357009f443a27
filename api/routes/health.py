"""Alive, and ready for work."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.deps import EngineDep
from api.errors import Problem, unavailable
from api.openapi import problems
from perennial.engine.parts import look

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: str


class Readiness(Health):
    checks: list[dict[str, Any]]


@router.get("/healthz")
async def live() -> Health:
    """The process runs. It says nothing about its parts: restarting it would not bring them back."""
    return Health(status="ok")


@router.get("/readyz", responses=problems(HTTPStatus.SERVICE_UNAVAILABLE))
async def ready(engine: EngineDep) -> Readiness:
    """PostgreSQL and Temporal answer, and the database is at the revision of this release."""
    parts = await look(engine)
    checks = [{"name": part.name, "ok": part.ok, "detail": part.detail} for part in parts]
    if all(part.ok for part in parts):
        return Readiness(status="ready", checks=checks)
    raise _not_ready(checks)


def _not_ready(checks: list[dict[str, Any]]) -> Problem:
    wrong = ", ".join(str(check["name"]) for check in checks if not check["ok"])
    return unavailable(f"not ready: {wrong}", checks=checks)

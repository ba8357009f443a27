"""The API in this process, on the running engine, and quick ways to ask it for things."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import delete
from sqlalchemy.orm import Session

from api.app import create_app
from perennial.db.models import OwnTaxRate, Seller
from perennial.engine.context import Engine
from tests.api.asking import KEY, Api


@pytest.fixture(scope="session")
async def app(engine: Engine) -> AsyncIterator[FastAPI]:
    app = create_app(engine.settings.model_copy(update={"api_keys": (KEY, f"{KEY}_other")}))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Without a key."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://perennial.test", timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def api(http: httpx.AsyncClient) -> Api:
    return Api(http)


@pytest.fixture
async def customer(api: Api) -> dict[str, Any]:
    """With a card that always works."""
    return await api.customer()


@pytest.fixture
async def clock(api: Api) -> str:
    answer = await api.post("/v1/test-clocks", {"name": f"test {uuid4()}", "now": "2026-01-31T10:00:00Z"})
    assert answer.status_code == 201, answer.text
    clock_id: str = answer.json()["id"]
    return clock_id


@pytest.fixture
async def nobody_sells(engine: Engine) -> AsyncIterator[None]:
    """For tests that put a seller or rates: the database is everybody's, and others are billed without tax."""
    yield

    def forget(session: Session) -> None:
        session.execute(delete(Seller))
        session.execute(delete(OwnTaxRate))

    await engine.write(forget)

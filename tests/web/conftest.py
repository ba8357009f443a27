"""The pages in this process, on the running engine, and customers who go through them without a browser."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from perennial.engine.context import Engine
from perennial.roles import NamedKey
from tests.api.asking import KEY, Api
from tests.support.stage import Stage
from tests.web.deskwork import ANNA, CARL, Desk
from tests.web.shopping import HERE, Shopper


@pytest.fixture(scope="session")
async def app(engine: Engine) -> AsyncIterator[FastAPI]:
    app = create_app(engine.settings.model_copy(update={"api_keys": (KEY,), "public_url": HERE}))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def stage(engine: Engine) -> Stage:
    return Stage(engine)


@pytest.fixture
async def shopper(app: FastAPI) -> AsyncIterator[Shopper]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE, timeout=30) as browser:
        yield Shopper(browser)


@pytest.fixture
def api(shopper: Shopper) -> Api:
    return Api(shopper.browser)


@pytest.fixture
async def ada(api: Api) -> dict[str, Any]:
    """A customer without a card."""
    body = {"name": "Ada Lovelace", "email": "ada@example.com"}
    made: dict[str, Any] = (await api.post("/v1/customers", body)).json()
    return made


@pytest.fixture(scope="module")
async def desks(engine: Engine) -> AsyncIterator[FastAPI]:
    """The application, where Anna is of support and Carl of finance."""
    keys = {"support_keys": (NamedKey("anna", ANNA),), "finance_keys": (NamedKey("carl", CARL),), "api_keys": (KEY,)}
    more = {"public_url": HERE, "temporal_ui_url": "http://temporal.test/"}
    app = create_app(engine.settings.model_copy(update=keys | more))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def stranger(desks: FastAPI) -> AsyncIterator[Desk]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(desks), base_url=HERE, timeout=30) as browser:
        yield Desk(browser)


@pytest.fixture
async def desk(stranger: Desk) -> Desk:
    """Anna, signed in."""
    await stranger.sign_in()
    return stranger

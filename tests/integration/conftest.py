"""A stack of our own: `check` compares all workflows of a Temporal with all rows of a database."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from perennial.cli.migrations import upgrade
from perennial.engine.context import Engine, open_engine
from perennial.gateways.registry import prepare_gateway
from perennial.stack import Stack
from tests.integration.world import World, populate
from worker import build_worker


@pytest.fixture(scope="session")
def own_stack() -> Iterator[Stack]:
    with Stack.throw_away() as running:
        upgrade(running.database_url)
        yield running


@pytest.fixture(scope="session")
async def healthy(own_stack: Stack) -> World:
    """The population, its worker gone and its database closed, so that it can be copied."""
    engine = await open_engine(own_stack.settings(), lazy=False)
    prepare_gateway(engine.gateway)
    async with build_worker(engine):
        world = await populate(engine)
    engine.close()
    return world


@pytest.fixture
async def copy(own_stack: Stack, healthy: World) -> AsyncIterator[Engine]:
    """An engine on a copy of the healthy database, to spoil. The workflows are the same for all copies."""
    source = make_url(own_stack.database_url)
    name = f"copy_{uuid4().hex}"
    admin = create_engine(source.set(database="template1"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {source.database}"))
    url = source.set(database=name).render_as_string(hide_password=False)
    engine = await open_engine(own_stack.settings().model_copy(update={"database_url": url}))
    try:
        yield engine
    finally:
        engine.close()
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()

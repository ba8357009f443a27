"""The throw-away stack that every suite shares: PostgreSQL and Temporal, started when the first test asks for them.

Under `pytest -n` each process has one of its own.
"""

import os
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import settings

from perennial.cli.migrations import upgrade
from perennial.engine import demo_catalog
from perennial.engine.context import Engine, open_engine
from perennial.gateways.registry import prepare_gateway
from perennial.stack import Stack
from tests.conformance.summary import pytest_terminal_summary  # noqa: F401 (pytest finds hooks by their names)
from tests.support.shares import pytest_collection_modifyitems, pytest_xdist_make_scheduler  # noqa: F401 (the same)
from worker import build_worker

if TYPE_CHECKING:
    from tests.support.stripe.server import StandIn

# The laws try the same cases at every run; with PERENNIAL_EXAMPLES they look for new ones.
WIDE = os.environ.get("PERENNIAL_EXAMPLES")
settings.register_profile("laws", settings(max_examples=int(WIDE)) if WIDE else settings(derandomize=True))
settings.load_profile("laws")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Real parts in a temporary folder: PostgreSQL over a unix socket, Temporal in memory with time skipping."""
    with Stack.throw_away() as running:
        yield running


@pytest.fixture(scope="session")
def database_url(stack: Stack) -> str:
    """An empty database for SQLAlchemy; suites migrate it, or create databases of their own beside it."""
    return stack.database_url


@pytest.fixture(scope="session")
def temporal_address(stack: Stack) -> str:
    return stack.temporal_address


@pytest.fixture(scope="session")
async def engine(stack: Stack) -> AsyncIterator[Engine]:
    """The engine at work: the shared database migrated, the demo plans in it, a worker in this process."""
    upgrade(stack.database_url)
    engine = await open_engine(stack.settings(), lazy=False)
    prepare_gateway(engine.gateway)
    await demo_catalog.seed(engine)
    async with build_worker(engine):
        yield engine
    engine.close()


@pytest.fixture
async def faulty(engine: Engine) -> AsyncIterator[Engine]:
    """The engine on a task queue on which nobody works yet."""
    settings = engine.settings.model_copy(update={"task_queue": f"faults-{uuid4().hex[:8]}"})
    opened = await open_engine(settings, lazy=False)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def stand() -> "Iterator[StandIn]":
    """What stands in for Stripe."""
    from tests.support.stripe.server import stand_in

    with stand_in() as stand:
        yield stand

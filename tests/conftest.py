"""The throw-away stack that every suite shares: PostgreSQL and Temporal, started when the first test asks for them."""

from collections.abc import Iterator

import pytest

from perennial.stack import Stack


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

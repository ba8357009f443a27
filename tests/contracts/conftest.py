from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.contracts.adapters import ADAPTERS, Adapter
from tests.support.databases import own_database


@pytest.fixture(scope="session")
def gateway_engine(database_url: str) -> Iterator[Engine]:
    with own_database(database_url) as engine:
        yield engine


@pytest.fixture(scope="session", params=ADAPTERS)
def adapter(request: pytest.FixtureRequest, gateway_engine: Engine) -> Iterator[Adapter]:
    with ADAPTERS[request.param](gateway_engine) as adapter:
        yield adapter

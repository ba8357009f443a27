from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from perennial.db.engine import make_engine
from tests.contracts.adapters import ADAPTERS, Adapter


@pytest.fixture(scope="session")
def gateway_engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session", params=ADAPTERS)
def adapter(request: pytest.FixtureRequest, gateway_engine: Engine) -> Adapter:
    return ADAPTERS[request.param](gateway_engine)

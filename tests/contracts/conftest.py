from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from perennial.gateways.stripe import StripeGateway
from tests.contracts.adapters import ADAPTERS, SECRET, Adapter
from tests.support.databases import own_database
from tests.support.stripe.server import StandIn
from tests.support.stripe.world import stripe_gateway


@pytest.fixture(scope="session")
def gateway_engine(database_url: str) -> Iterator[Engine]:
    with own_database(database_url) as engine:
        yield engine


@pytest.fixture(scope="session")
def stripe(stand: StandIn, gateway_engine: Engine) -> Iterator[StripeGateway]:
    gateway = stripe_gateway(stand, gateway_engine, SECRET)
    yield gateway
    gateway.close()


@pytest.fixture(scope="session", params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return ADAPTERS[request.param](request)

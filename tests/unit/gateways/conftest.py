"""A simulator on the embedded PostgreSQL, and quick ways to charge it."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from perennial.gateways.simulator import NO_FAULTS, SimulatorGateway, create_schema, set_faults
from perennial.ports import ChargeRequest
from tests.support.databases import own_database

SECRET = "whsec_of_the_simulator_tests"


@pytest.fixture(scope="module")
def engine(database_url: str) -> Iterator[Engine]:
    with own_database(database_url) as engine:
        create_schema(engine)
        yield engine


@pytest.fixture
def gateway(engine: Engine) -> Iterator[SimulatorGateway]:
    set_faults(engine, NO_FAULTS)
    yield SimulatorGateway(engine, webhook_secret=SECRET)
    set_faults(engine, NO_FAULTS)


@pytest.fixture
def customer() -> str:
    return f"cus_{uuid4().hex}"


@pytest.fixture
def ask(customer: str) -> Callable[..., ChargeRequest]:
    """A charge request of one customer: a fresh key each time, the customer's own description."""

    def make(token: str = "pm_card_visa", *, key: str | None = None, **changes: object) -> ChargeRequest:  # noqa: S107 (a test card)
        values: dict[str, object] = {"amount": 1000, "currency": "USD", "description": f"inv_{uuid4().hex}"}
        return ChargeRequest(
            key=key or f"charge:{uuid4()}:1", token=token, customer_reference=customer, **values | changes
        )

    return make

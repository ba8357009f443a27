from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from perennial.db.models import Base
from tests.support.databases import own_database
from tests.support.ledgers import Office


@pytest.fixture(scope="module")
def engine(database_url: str) -> Iterator[Engine]:
    with own_database(database_url) as engine:
        Base.metadata.create_all(engine)
        yield engine


@pytest.fixture
def office(engine: Engine) -> Iterator[Office]:
    """What a test writes is taken back."""
    with Session(engine) as session:
        yield Office(session)
        session.rollback()

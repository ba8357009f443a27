from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, delete

from perennial.db.engine import Sessions, make_sessions, unit_of_work
from perennial.db.models import Base, MailboxMessage, OutboxMessage
from tests.support.databases import own_database
from tests.unit.notifications import world


@pytest.fixture(scope="module")
def engine(database_url: str) -> Iterator[Engine]:
    with own_database(database_url) as engine:
        Base.metadata.create_all(engine)
        with unit_of_work(make_sessions(engine)) as session:
            world.populate(session)
        yield engine


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    sessions = make_sessions(engine)
    with unit_of_work(sessions) as session:
        session.execute(delete(OutboxMessage))
        session.execute(delete(MailboxMessage))
    return sessions

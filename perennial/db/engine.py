"""Engines and sessions. One activity or request is one unit of work, committed once, at its edge."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

Sessions = sessionmaker[Session]


def make_engine(url: str, *, pool_size: int = 10, connect_timeout_seconds: int = 3) -> Engine:
    """An engine whose sessions speak UTC and whose dead connections are noticed before use."""
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        hide_parameters=True,  # parameters hold personal data and errors travel into histories and logs
        connect_args={"connect_timeout": connect_timeout_seconds, "application_name": "perennial"},
    )

    @event.listens_for(engine, "connect")
    def use_utc(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.close()
        connection.commit()

    return engine


def make_sessions(engine: Engine) -> Sessions:
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def unit_of_work(sessions: Sessions) -> Iterator[Session]:
    """A session that commits when the block ends well, and rolls back when it does not."""
    with sessions() as session, session.begin():
        yield session

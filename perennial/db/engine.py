"""Engines and sessions. One activity or request is one unit of work, committed once, at its edge."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

Sessions = sessionmaker[Session]

# A connection that was in use less than so long ago is taken to live. One that has died since gives a single error,
# after which SQLAlchemy throws the whole pool away.
RESTED_SECONDS = 1.0
# What our processes' sessions are called in pg_stat_activity: a restore refuses a database that has one.
APPLICATION_NAME = "perennial"
# A server that vanishes without a word (its machine, or the way to it) is noticed within half a minute. By the kernel's
# default it is two hours, and every thread of a worker may be waiting by then.
_GIVE_UP_ON_A_CUT_CABLE = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}


def make_engine(url: str, *, pool_size: int = 10, connect_timeout_seconds: int = 3) -> Engine:
    """An engine whose sessions speak UTC and whose dead connections are noticed before use."""
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # parameters hold personal data and errors travel into histories and logs
        connect_args={
            "connect_timeout": connect_timeout_seconds,
            "application_name": APPLICATION_NAME,
            **_GIVE_UP_ON_A_CUT_CABLE,
        },
    )

    _notice_dead_connections(engine)
    _give_dead_connections_back(engine)

    @event.listens_for(engine, "connect")
    def use_utc(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.close()
        connection.commit()

    return engine


def _notice_dead_connections(engine: Engine) -> None:
    """As SQLAlchemy's pre-ping, but only for connections that have rested: a busy worker would ask at every step."""

    @event.listens_for(engine, "checkin")
    def remember(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        rested = time.monotonic() - record.info.get("rests_since", time.monotonic()) >= RESTED_SECONDS
        if not rested and not getattr(connection, "closed", False):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # the pool tries again with a new connection


def _give_dead_connections_back(engine: Engine) -> None:
    """The server may die between the last statement of an autocommit connection and its return to the pool.

    Putting its isolation level back then fails with the driver's own error, which nobody expects, and the place in the
    pool would be lost for good. Closed, the connection goes back, and its next user is given another one.
    """
    reset = engine.dialect.reset_isolation_level

    def reset_or_close(dbapi_connection: DBAPIConnection) -> None:
        try:
            reset(dbapi_connection)
        except engine.dialect.loaded_dbapi.Error:
            dbapi_connection.close()

    engine.dialect.reset_isolation_level = reset_or_close  # type: ignore[method-assign]


def make_sessions(engine: Engine) -> Sessions:
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def unit_of_work(sessions: Sessions) -> Iterator[Session]:
    """A session that commits when the block ends well, and rolls back when it does not."""
    with sessions() as session, session.begin():
        yield session

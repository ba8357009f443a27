"""A database that dies while nobody asks anything of it is noticed by nobody, and costs no place in the pool."""

from collections.abc import Iterator

import pytest
import sqlalchemy
from sqlalchemy import text

from perennial.db.engine import make_engine


@pytest.fixture
def pool_of_one(database_url: str) -> Iterator[sqlalchemy.Engine]:
    engine = make_engine(database_url, pool_size=1)
    yield engine
    engine.dispose()


def test_a_server_that_dies_before_a_connection_is_given_back(
    pool_of_one: sqlalchemy.Engine, database_url: str
) -> None:
    another = make_engine(database_url, pool_size=1)
    for _ in range(2):
        # The second time round the driver says to the server which isolation is wanted, and notices that it is gone.
        with pool_of_one.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SELECT 1"))
        with pool_of_one.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with another.begin() as killer:
                killer.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        assert pool_of_one.pool.checkedout() == 0  # type: ignore[attr-defined]
        with pool_of_one.connect() as connection:
            assert connection.execute(text("SHOW transaction_isolation")).scalar_one() == "read committed"
    another.dispose()


def test_a_server_that_vanishes_without_a_word_is_noticed(pool_of_one: sqlalchemy.Engine) -> None:
    """What libpq is told; a cable cannot be cut here. By default the kernel waits for two hours."""
    with pool_of_one.connect() as connection:
        told = connection.connection.dbapi_connection.get_dsn_parameters()  # type: ignore[union-attr]
    noticed = int(told["keepalives_idle"]) + int(told["keepalives_interval"]) * int(told["keepalives_count"])
    assert noticed <= 30
    assert int(told["tcp_user_timeout"]) <= 30_000

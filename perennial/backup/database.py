"""What a backup counts in a database, and whether a database may be written over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from perennial.backup.manifest import Table
from perennial.db.engine import APPLICATION_NAME

_TABLES = text(
    """
SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1, 2
"""
)
_SESSIONS = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = :ours AND pid <> pg_backend_pid()"
)
_SETTINGS = ("SET LOCAL TIME ZONE 'UTC'", "SET LOCAL DateStyle = 'ISO'", "SET LOCAL extra_float_digits = 1")
_NO_DATABASE = "does not exist"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One instant of a database; `id` lets PostgreSQL's programs see the same, while the transaction is open."""

    id: str
    taken_at: datetime


def connect(url: str) -> Engine:
    """Not under the name of the engine's own processes, which are counted by `sessions`."""
    return create_engine(url, pool_size=1, connect_args={"application_name": "perennial-backup", "connect_timeout": 5})


def snapshot(connection: Connection) -> Snapshot:
    """Of a transaction that has just begun, REPEATABLE READ."""
    row = connection.execute(text("SELECT pg_export_snapshot() AS id, now() AS taken_at")).one()
    return Snapshot(row.id, row.taken_at.astimezone(UTC))


def tables(connection: Connection) -> dict[str, Table]:
    """Every table of ours and of the gateways with its rows counted and summed up."""
    for setting in _SETTINGS:
        connection.execute(text(setting))
    return {
        f"{row.schema}.{row.name}": _count(connection, row.schema, row.name)
        for row in connection.execute(_TABLES).all()
    }


def server_version(connection: Connection) -> int:
    """The major version."""
    return int(connection.scalar(text("SELECT current_setting('server_version_num')::int / 10000")) or 0)


def revision(connection: Connection) -> str | None:
    """Where its migrations stand; None when there are none."""
    if connection.scalar(text("SELECT to_regclass('public.alembic_version')")) is None:
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM public.alembic_version"))
    return found


def sessions(connection: Connection) -> int:
    """How many connections API, workers and relays hold to this database."""
    return int(connection.scalar(_SESSIONS, {"ours": APPLICATION_NAME}) or 0)


def is_empty(connection: Connection) -> bool:
    return connection.execute(_TABLES).first() is None


def differences(expected: Mapping[str, Table], found: Mapping[str, Table]) -> list[str]:
    """What a restored database has other than its backup, a line for each table."""
    lines = []
    for name in sorted(expected.keys() | found.keys()):
        was, now = expected.get(name), found.get(name)
        if was is None or now is None:
            lines.append(f"{name}: {'it is missing' if now is None else 'it was not in the backup'}")
        elif was.rows != now.rows:
            lines.append(f"{name}: {now.rows} rows, there were {was.rows}")
        elif was.checksum != now.checksum:
            lines.append(f"{name}: its rows are not those of the backup")
    return lines


def create_missing(url: str) -> bool:
    """Make the database of `url` if the server has none of that name; whether it was made.

    Raises:
        OperationalError: the server does not answer, or we may not make databases.
    """
    engine = connect(url)
    try:
        engine.connect().close()
    except OperationalError as error:
        if _NO_DATABASE not in str(error.orig):
            raise
    else:
        return False
    finally:
        engine.dispose()
    name = make_url(url).database
    admin = connect(make_url(url).set(database="postgres").render_as_string(hide_password=False))
    try:
        with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            quoted = connection.dialect.identifier_preparer.quote(name or "")
            connection.execute(text(f"CREATE DATABASE {quoted} TEMPLATE template0"))
    finally:
        admin.dispose()
    return True


def _count(connection: Connection, schema: str, name: str) -> Table:
    quote = connection.dialect.identifier_preparer.quote
    summed = text(
        "SELECT count(*) AS rows, "  # noqa: S608 (names of the catalogue, quoted)
        "coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text AS checksum "
        f"FROM {quote(schema)}.{quote(name)} t"
    )
    return Table(*connection.execute(summed).one())

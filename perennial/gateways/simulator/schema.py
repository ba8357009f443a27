"""The simulator's own tables, in a PostgreSQL schema of their own.

The simulator stands for a company that is not ours: its tables know nothing of the engine's, no foreign key leads
across, migrations do not touch them, and its instants are real time even when subscriptions live on a test clock.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Engine,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "simulator"
# As gateways, by the names of their schemas: the second is for routing and failover to be tried.
SIMULATORS = (SCHEMA, "simulator_2")
metadata = MetaData(schema=SCHEMA)

# One row a charge, also a declined one. `key` is the idempotency key; `fingerprint` the parameters it came with.
# A key that was canceled before its charge came has a row too, with amount 0: the unique index then bars the charge.
payments = Table(
    "payments",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("fingerprint", Text, nullable=False),
    Column("gateway_ref", Text, nullable=False, unique=True),
    Column("token", Text, nullable=False),
    Column("customer_reference", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("decline_code", Text),
    Column("refunded", BigInteger, nullable=False, server_default="0"),
    # For status `processing`: when it ends by itself, and how (null: succeeds).
    Column("settles_at", DateTime(timezone=True)),
    Column("settles_with", Text),
    Column("disputed_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("amount > 0 OR status = 'canceled'", name="amount_positive"),
    CheckConstraint("refunded BETWEEN 0 AND amount", name="refunded_within_amount"),
    Index("ix_payments_processing", "settles_at", postgresql_where=text("status = 'processing'")),
)

refunds = Table(
    "refunds",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("fingerprint", Text, nullable=False),
    Column("gateway_ref", Text, nullable=False, unique=True),
    Column("charge_key", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("failure_code", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# The books: every movement is two rows that sum to zero. A trigger refuses to change or delete them. No foreign key to
# `payments`, for both are written by one statement and the check would cost every renewal.
entries = Table(
    "entries",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("movement", Text, nullable=False),  # capture, refund, dispute, dispute_won
    Column("account", Text, nullable=False),  # merchant, cardholders
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("charge_key", Text, nullable=False, index=True),
    Column("gateway_ref", Text, nullable=False),
    Column("booked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

events = Table(
    "events",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("charge_key", Text),
    Column("gateway_ref", Text, nullable=False),
    Column("status", Text),
    Column("decline_code", Text),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("deliver_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("deliveries_left", Integer, nullable=False, server_default="1"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("delivered_at", DateTime(timezone=True)),
    Column("dropped", Boolean, nullable=False, server_default=text("false")),
    Column("last_error", Text),
    Index("ix_events_due", "deliver_at", postgresql_where=text("deliveries_left > 0")),
)

# How often something happened that scripts count: charges of a card, calls while faults are on, faults injected.
counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# One row at most: the faults that are switched on, as another process may set them.
faults = Table(
    "faults",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True),
    Column("settings", JSONB, nullable=False),
)

# Any constant will do; it is ours alone as long as nobody else picks it.
_SCHEMA_LOCK = 0x51_4D_55_1A
_APPEND_ONLY = f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the books of the simulator are append-only'; END $$;
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {SCHEMA}.entries
FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse_change();
"""


def in_schema(engine: Engine, schema: str) -> Engine:
    """The same connections, for a simulator of its own: its statements mean the tables of `schema`.

    Every statement of this package names the tables of the first simulator. Values are parameters, never in the text.
    """
    if schema == SCHEMA:
        return engine
    moved = engine.execution_options(schema_translate_map={SCHEMA: schema})

    @event.listens_for(moved, "before_cursor_execute", retval=True)
    def rename(_c: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> tuple[str, Any]:  # noqa: FBT001 (as SQLAlchemy calls it)
        return statement.replace(f"{SCHEMA}.", f"{schema}."), values

    return moved


def create_schema(engine: Engine, schema: str = SCHEMA) -> None:
    """Make what is missing. Safe to call from several processes at once and at every start.

    `engine` is `in_schema` of the same schema.
    """
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
        if not _is_complete(connection, schema):
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
            metadata.create_all(connection)
            connection.execute(text(_APPEND_ONLY))


def _is_complete(connection: Connection, schema: str) -> bool:
    """Whether the trigger, the last thing made, is there: then a start takes no lock on tables in use."""
    found = connection.execute(
        text("SELECT 1 FROM pg_trigger WHERE tgname = 'append_only' AND tgrelid = to_regclass(:table)"),
        {"table": f"{schema}.entries"},
    )
    return found.first() is not None

"""What Stripe's objects are called by us: the table that makes our keys enough to find them, for ever.

Stripe forgets idempotency keys after 24 hours, and its search lags behind. A row here is committed before Stripe is
asked, so that a key leads to its one object however long a worker was away. The table lies in a schema of its own: no
foreign key leads to the engine's tables.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Engine,
    Identity,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from perennial.ports import GatewayOutcomeUnknown

SCHEMA = "stripe"
metadata = MetaData(schema=SCHEMA)

objects = Table(
    "objects",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    # Of the parameters that the key came with.
    Column("fingerprint", Text, nullable=False),
    # Stripe's id, null until it is known.
    Column("object_id", Text),
    # What it belongs to: the token of a charge, the payment of a refund, the customer of a payment method.
    Column("owner", Text, nullable=False),
    # An outcome that Stripe has no object for: `canceled` before it began, or why it was refused.
    Column("answer", Text),
    # Idempotency keys that are of no use any more: Stripe would repeat a 5xx, or a deleted object, for 24 hours.
    Column("spent", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("kind", "key", name="uq_objects_key"),
    Index("ix_objects_object_id", "object_id"),
)

_SCHEMA_LOCK = 0x57_41_BE_01
_FIND = text("SELECT * FROM stripe.objects WHERE kind = :kind AND key = :key")
_BEGIN = text(
    """
INSERT INTO stripe.objects (kind, key, fingerprint, owner) VALUES (:kind, :key, :fingerprint, :owner)
ON CONFLICT (kind, key) DO NOTHING
"""
)
_NAME = text(
    """
UPDATE stripe.objects SET object_id = :object_id
WHERE kind = :kind AND key = :key AND object_id IS NULL AND answer IS NULL
"""
)
_ANSWER = text(
    """
UPDATE stripe.objects SET answer = :answer WHERE kind = :kind AND key = :key AND object_id IS NULL AND answer IS NULL
"""
)
_BAR = text(
    """
INSERT INTO stripe.objects (kind, key, fingerprint, owner, answer) VALUES (:kind, :key, '', '', :answer)
ON CONFLICT (kind, key) DO UPDATE SET answer = :answer
WHERE objects.object_id IS NULL AND objects.answer IS NULL
"""
)
_RESTORE = text(
    """
INSERT INTO stripe.objects (kind, key, fingerprint, object_id, owner, created_at)
VALUES (:kind, :key, '', :object_id, :owner, :created_at)
ON CONFLICT (kind, key) DO UPDATE SET object_id = EXCLUDED.object_id
WHERE objects.object_id IS NULL AND objects.answer IS NULL
"""
)
_SPEND = text("UPDATE stripe.objects SET spent = spent + 1 WHERE kind = :kind AND key = :key AND spent = :spent")
# The idempotency key that made the object would be answered with it for 24 hours: it is spent.
_FORGET = text(
    "UPDATE stripe.objects SET object_id = NULL, spent = spent + 1 WHERE kind = :kind AND object_id = :object_id"
)
_BY_OBJECT = text("SELECT * FROM stripe.objects WHERE kind = :kind AND object_id = :object_id ORDER BY id LIMIT 1")
_FIRST = text("SELECT min(created_at) FROM stripe.objects WHERE kind = :kind")


class Kind(StrEnum):
    CHARGE = "charge"
    REFUND = "refund"
    CUSTOMER = "customer"
    METHOD = "method"


@dataclass(frozen=True, slots=True)
class Reference:
    """`fingerprint` is empty when the row was lost and is written again: the object itself is what was asked for."""

    key: str
    fingerprint: str
    object_id: str | None
    owner: str
    answer: str | None
    spent: int


class References:
    """Each call is one statement and one transaction; Stripe is never asked inside one.

    Raises GatewayOutcomeUnknown when the database is away: what Stripe was told before that is not known then.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

    def create_schema(self) -> None:
        """Make what is missing. Safe to call from several processes at once and at every start."""
        with self._engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
            if not connection.scalar(text("SELECT to_regclass('stripe.objects') IS NOT NULL")):
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
                metadata.create_all(connection)

    def find(self, kind: Kind, key: str) -> Reference | None:
        with self._statements() as connection:
            row = connection.execute(_FIND, {"kind": kind, "key": key}).first()
        return None if row is None else _reference(row)

    def begin(self, kind: Kind, key: str, fingerprint: str, owner: str) -> tuple[Reference, bool]:
        """The row of a key, made if it was not there; and whether it was made now."""
        values = {"kind": kind, "key": key, "fingerprint": fingerprint, "owner": owner}
        with self._statements() as connection:
            is_new = connection.execute(_BEGIN, values).rowcount == 1
            return self._one(connection, kind, key), is_new

    def name(self, kind: Kind, key: str, object_id: str) -> Reference:
        """Write Stripe's id down, unless the key has one or was answered meanwhile; the row says which it is."""
        return self._write(_NAME, kind, key, object_id=object_id)

    def answer(self, kind: Kind, key: str, answer: str) -> Reference:
        """Write an outcome without an object down, unless there is an object or another outcome."""
        return self._write(_ANSWER, kind, key, answer=answer)

    def bar(self, kind: Kind, key: str, answer: str) -> Reference:
        """The same for a key that may not have been seen yet: what comes later finds this outcome."""
        return self._write(_BAR, kind, key, answer=answer)

    def restore(self, kind: Kind, key: str, object_id: str, owner: str, created_at: datetime) -> bool:
        """Write down what Stripe says of a key whose row was lost; False when it is there."""
        values = {"kind": kind, "key": key, "object_id": object_id, "owner": owner, "created_at": created_at}
        with self._statements() as connection:
            return connection.execute(_RESTORE, values).rowcount == 1

    def spend(self, kind: Kind, reference: Reference) -> None:
        """The idempotency key of this row is used up."""
        with self._statements() as connection:
            connection.execute(_SPEND, {"kind": kind, "key": reference.key, "spent": reference.spent})

    def forget(self, kind: Kind, object_id: str) -> None:
        """Stripe has this object no longer; its key may make another."""
        with self._statements() as connection:
            connection.execute(_FORGET, {"kind": kind, "object_id": object_id})

    def by_object(self, kind: Kind, object_id: str) -> Reference | None:
        with self._statements() as connection:
            row = connection.execute(_BY_OBJECT, {"kind": kind, "object_id": object_id}).first()
        return None if row is None else _reference(row)

    def first_at(self, kind: Kind) -> datetime | None:
        with self._statements() as connection:
            found: datetime | None = connection.scalar(_FIRST, {"kind": kind})
        return found

    def _write(self, statement: Any, kind: Kind, key: str, **values: str) -> Reference:
        with self._statements() as connection:
            connection.execute(statement, {"kind": kind, "key": key, **values})
            return self._one(connection, kind, key)

    def _one(self, connection: Connection, kind: Kind, key: str) -> Reference:
        return _reference(connection.execute(_FIND, {"kind": kind, "key": key}).one())

    @contextmanager
    def _statements(self) -> Iterator[Connection]:
        try:
            with self._autocommit.connect() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise GatewayOutcomeUnknown(f"Stripe's references are away: {type(error).__name__}") from error


def _reference(row: Row[Any]) -> Reference:
    return Reference(row.key, row.fingerprint, row.object_id, row.owner, row.answer, row.spent)

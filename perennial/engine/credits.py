"""A customer's credit from outside: give it, look at it, let it expire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.db.models import CreditGrant, Subscription, TestClock
from perennial.db.repositories import credits, ledger
from perennial.db.repositories.credits import Expired
from perennial.domain import keys
from perennial.domain.errors import InvalidInput
from perennial.domain.ledger import credit_granted
from perennial.domain.money import exponent
from perennial.engine import customers, subscriptions
from perennial.engine.context import Engine
from perennial.engine.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """`amount` in minor units; `expires_at` None: never. The same `request_id` again gives the first grant."""

    customer_id: str
    currency: str
    amount: int
    reason: str
    expires_at: datetime | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What could be used of one currency, minor units; `next_expiry_amount` of it expires at `next_expiry_at`."""

    currency: str
    amount: int
    next_expiry_at: datetime | None = None
    next_expiry_amount: int = 0


@dataclass(frozen=True, slots=True)
class Balance:
    """Where the customer's time stands, and what there is then; a currency without credit is not named."""

    customer_id: str
    as_of: datetime
    currencies: tuple[Standing, ...]


async def grant(engine: Engine, new: NewGrant) -> CreditGrant:
    """Credit for nothing in return, used by the next invoices of that currency.

    Raises:
        NotFound: there is no such customer.
        InvalidInput: the amount is not above nought, the currency is none, the expiry does not lie ahead.
        ClockAdvancing: the customer lives on a test clock that is moving.
    """
    exponent(new.currency)
    if new.amount <= 0:
        message = "must be above 0"
        raise InvalidInput(message, field="amount")
    key = keys.credit_grant(new.customer_id, new.request_id or new_id("req"))

    def give(session: Session) -> CreditGrant:
        customers.require(session, new.customer_id, lock=True)
        grant_id = credits.grant_id(key)
        if found := session.get(CreditGrant, grant_id):
            return found
        clock = _clock_of(session, new.customer_id)
        at = subscriptions.edge_time(engine, session, clock.id if clock else None)
        if new.expires_at is not None and new.expires_at <= at:
            message = f"must lie after {at.isoformat()}"
            raise InvalidInput(message, field="expires_at")
        posting = credit_granted(key, grant_id, new.currency, new.customer_id, new.amount)
        ledger.post(session, posting, at)
        credits.give(
            session,
            new.customer_id,
            new.currency,
            new.amount,
            key,
            at,
            reason=new.reason,
            expires_at=new.expires_at,
        )
        return session.get_one(CreditGrant, grant_id)

    return await engine.write(give)


async def balance(engine: Engine, customer_id: str) -> Balance:
    """What the next invoice could use, by currency. Raises NotFound."""

    def load(session: Session) -> Balance:
        customers.require(session, customer_id)
        clock = _clock_of(session, customer_id)
        at = clock.now if clock else engine.clock()
        left = session.scalars(
            select(CreditGrant)
            .where(CreditGrant.customer_id == customer_id, CreditGrant.remaining > 0)
            .order_by(CreditGrant.currency)
        )
        usable: dict[str, list[CreditGrant]] = {}
        for row in left:
            if row.expires_at is None or row.expires_at > at:
                usable.setdefault(row.currency, []).append(row)
        return Balance(customer_id, at, tuple(_standing(currency, rows) for currency, rows in usable.items()))

    return await engine.read(load)


async def expire(engine: Engine, *, test_clock_id: str | None = None) -> list[Expired]:
    """Posts all that has expired by now, some balances a transaction: credit that nobody asks for expires too.

    Of customers who live on the machine's clock, or on that test clock.
    """
    ended: list[Expired] = []
    while True:
        part = await engine.write(
            lambda session: credits.expire(
                session, subscriptions.edge_time(engine, session, test_clock_id), test_clock_id=test_clock_id
            )
        )
        if not part:
            return ended
        ended += part


def _clock_of(session: Session, customer_id: str) -> TestClock | None:
    """The test clock on which the customer lives: that of the newest subscription. None: the machine's."""
    return session.scalar(
        select(TestClock)
        .join(Subscription, Subscription.test_clock_id == TestClock.id)
        .where(Subscription.customer_id == customer_id)
        .order_by(Subscription.created_at.desc(), TestClock.id)
        .limit(1)
    )


def _standing(currency: str, grants: Sequence[CreditGrant]) -> Standing:
    expiries = [grant.expires_at for grant in grants if grant.expires_at]
    first = min(expiries, default=None)
    expiring = sum(grant.remaining for grant in grants if first is not None and grant.expires_at == first)
    return Standing(currency, sum(grant.remaining for grant in grants), first, expiring)

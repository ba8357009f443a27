"""A customer's credit: what we owe them, used up by their next invoices.

`credit_balances` is the row that is locked; what it says is made of grants. Whoever changes a grant holds that lock, so
nothing is spent twice. What has expired is posted once a grant: when the credit is next used, or by `expire`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Table, bindparam, func, insert, not_, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from perennial.db.models import CreditGrant, CreditUse, Subscription
from perennial.db.repositories import ledger
from perennial.db.tables import table_of
from perennial.domain import keys
from perennial.domain.credits import Grant, reason_of, spend
from perennial.domain.ledger import credit_expired

_grants: Table = table_of(CreditGrant)
_LEFT = select(*(_grants.c[name] for name in Grant.__slots__)).where(
    _grants.c.customer_id == bindparam("customer"), _grants.c.currency == bindparam("money"), _grants.c.remaining > 0
)
_MOVE = (
    update(_grants).where(_grants.c.id == bindparam("grant")).values(remaining=_grants.c.remaining - bindparam("part"))
)
_NOTE = insert(table_of(CreditUse))
_END = update(_grants).where(_grants.c.id == bindparam("grant")).values(remaining=0, expired=bindparam("lost"))


@dataclass(frozen=True, slots=True)
class Expired:
    """What was left of a grant when it expired; minor units."""

    grant_id: str
    customer_id: str
    currency: str
    amount: int
    at: datetime


def use(session: Session, customer_id: str, currency: str, wanted: int, as_of: datetime, invoice_id: str) -> int:
    """Takes at most `wanted` (minor units) off the credit; answers how much. Locked until the transaction ends.

    One statement for those who have no credit: it is asked at every renewal.
    """
    if wanted <= 0 or not ledger.lock_credit(session, customer_id, currency):
        return 0
    left = grants_left(session, customer_id, currency)
    _post_expiry(session, customer_id, currency, [grant for grant in left if grant.is_over(as_of)])
    parts = spend((grant for grant in left if not grant.is_over(as_of)), wanted)
    used = sum(part for _, part in parts)
    _move(session, [(grant.id, part) for grant, part in parts], invoice_id, as_of)
    ledger.use_credit(session, customer_id, currency, used)
    return used


def give(
    session: Session,
    customer_id: str,
    currency: str,
    amount: int,
    key: str,
    as_of: datetime,
    *,
    reason: str | None = None,
    expires_at: datetime | None = None,
) -> bool:
    """A grant of `amount`; False if this `key`, the business key of what it comes from, has given one before.

    The posting is the caller's: it is part of what the credit comes from.
    """
    if not amount:
        return False
    grant = upsert(CreditGrant).values(
        id=grant_id(key),
        key=key,
        customer_id=customer_id,
        currency=currency,
        amount=amount,
        remaining=amount,
        reason=reason or reason_of(key),
        granted_at=as_of,
        expires_at=expires_at,
    )
    if session.scalar(grant.on_conflict_do_nothing().returning(CreditGrant.id)) is None:
        return False
    ledger.add_credit(session, customer_id, currency, amount)
    return True


def give_back(session: Session, customer_id: str, currency: str, amount: int, invoice_id: str, as_of: datetime) -> None:
    """What the voided invoice had used: to the grants that it came from, or anew if those have expired."""
    if not amount:
        return
    ledger.lock_credit(session, customer_id, currency)
    used = func.sum(CreditUse.amount)
    statement = (
        select(CreditGrant.id, used)
        .join(CreditUse, CreditUse.grant_id == CreditGrant.id)
        .where(
            CreditUse.invoice_id == invoice_id,
            CreditGrant.expired == 0,
            or_(CreditGrant.expires_at.is_(None), CreditGrant.expires_at > as_of),
        )
        .group_by(CreditGrant.id)
        .having(used > 0)
        .order_by(CreditGrant.id)
    )
    parts = [(grant, -int(part)) for grant, part in session.execute(statement)]
    restored = -sum(part for _, part in parts)
    _move(session, parts, invoice_id, as_of)
    ledger.add_credit(session, customer_id, currency, restored)
    give(session, customer_id, currency, amount - restored, f"void:{invoice_id}", as_of)


def take_back(
    session: Session,
    customer_id: str,
    currency: str,
    grant_keys: Sequence[str],
    wanted: int,
    subject: str,
    at: datetime,
) -> int:
    """At most `wanted` of what is left of the grants with these business keys; answers how much. The posting is the
    caller's, as with `give`.
    """
    if wanted <= 0 or not ledger.lock_credit(session, customer_id, currency):
        return 0
    left = [grant for grant in grants_left(session, customer_id, currency) if grant.key in grant_keys]
    parts = [(grant.id, part) for grant, part in spend((grant for grant in left if not grant.is_over(at)), wanted)]
    taken = sum(part for _, part in parts)
    _move(session, parts, subject, at)
    ledger.use_credit(session, customer_id, currency, taken)
    return taken


def balance(session: Session, customer_id: str, currency: str, as_of: datetime) -> int:
    """What could be used at `as_of`, minor units."""
    return sum(grant.remaining for grant in grants_left(session, customer_id, currency) if not grant.is_over(as_of))


def expire(
    session: Session, as_of: datetime, *, test_clock_id: str | None = None, customers: int = 100
) -> list[Expired]:
    """Posts what has expired by `as_of`, for at most so many balances; an empty answer: there is no more.

    Of customers who live on the machine's clock, or on that test clock.
    """
    due = (
        select(CreditGrant.customer_id, CreditGrant.currency)
        .where(CreditGrant.remaining > 0, CreditGrant.expires_at <= as_of, _lives_on(test_clock_id))
        .group_by(CreditGrant.customer_id, CreditGrant.currency)
        # In one order, so that two who do this at once do not wait for each other.
        .order_by(CreditGrant.customer_id, CreditGrant.currency)
        .limit(customers)
    )
    ended = []
    for customer_id, currency in session.execute(due).all():
        ledger.lock_credit(session, customer_id, currency)
        over = [grant for grant in grants_left(session, customer_id, currency) if grant.is_over(as_of)]
        ended += _post_expiry(session, customer_id, currency, over)
    return ended


def grant_id(key: str) -> str:
    return keys.document_id("cg", key)


def grants_left(session: Session, customer_id: str, currency: str) -> list[Grant]:
    """The grants with something left, expired ones too."""
    return [Grant(*row) for row in session.execute(_LEFT, {"customer": customer_id, "money": currency})]


def _move(session: Session, parts: Sequence[tuple[str, int]], invoice_id: str, at: datetime) -> None:
    """`parts` are (grant, what the invoice takes of it; negative: gives back)."""
    if parts:
        session.execute(_MOVE, [{"grant": grant, "part": part} for grant, part in parts])
        uses = [{"grant_id": grant, "invoice_id": invoice_id, "amount": part, "at": at} for grant, part in parts]
        session.execute(_NOTE, uses)


def _post_expiry(session: Session, customer_id: str, currency: str, grants: Sequence[Grant]) -> list[Expired]:
    """At the instant of each expiry, whenever it is noticed. The balance is locked."""
    ended = []
    for grant in grants:
        assert grant.expires_at is not None, grant.id
        posting = credit_expired(grant.key, grant.id, currency, customer_id, grant.remaining)
        ledger.post(session, posting, grant.expires_at)
        session.execute(_END, {"grant": grant.id, "lost": grant.remaining})
        ended.append(Expired(grant.id, customer_id, currency, grant.remaining, grant.expires_at))
    ledger.use_credit(session, customer_id, currency, sum(each.amount for each in ended))
    return ended


def _lives_on(test_clock_id: str | None) -> ColumnElement[bool]:
    theirs = select(Subscription.id).where(Subscription.customer_id == CreditGrant.customer_id)
    if test_clock_id is not None:
        return theirs.where(Subscription.test_clock_id == test_clock_id).exists()
    return not_(theirs.where(Subscription.test_clock_id.is_not(None)).exists())

"""What the card networks still allow: how often a card has been tried, for whatever subscription and by whomever.

An attempt that no network counts costs no statement: the card is read with its token. One that is counted waits for the
other attempts with the same card (a lock that ends with the transaction) and sees what they have written.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from perennial.db.models import PaymentAttempt, PaymentMethod
from perennial.db.tables import table_of
from perennial.domain import networks
from perennial.domain.networks import BARRED, Attempt, Budget, Initiator, PastAttempt
from perennial.domain.subscription.effects import Trigger

# The engine's own doing; everything else somebody asked for.
_BY_MERCHANT = frozenset({Trigger.AUTOMATIC, Trigger.SCHEDULE, Trigger.ARREARS, Trigger.BACKUP})


@dataclass(frozen=True, slots=True)
class Card:
    """What a payment method charges. `id` is equal for equal cards; `counted`: the network counts this attempt."""

    gateway: str
    token: str
    network: str
    id: str
    barred: bool
    counted: bool


_attempts, _methods = table_of(PaymentAttempt), table_of(PaymentMethod)
_CARD = select(
    _methods.c.gateway,
    _methods.c.token,
    _methods.c.brand,
    # Where no gateway says which tokens are one card, each method is a card of its own.
    func.coalesce(_methods.c.fingerprint, _methods.c.id).label("card"),
    _methods.c.card_barred,
).where(_methods.c.id == bindparam("method"), _methods.c.detached_at.is_(None))
_LOCK = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("name"), 0)))
_TRIED = select(_attempts.c.started_at, _attempts.c.trigger, _attempts.c.n).where(
    _attempts.c.card == bindparam("card"),
    _attempts.c.amount == bindparam("amount"),
    _attempts.c.currency == bindparam("currency"),
    _attempts.c.started_at >= bindparam("since"),
)


def card_of(session: Session, method_id: str | None, n: int, now: datetime, *, lock: bool) -> Card | None:
    """The card behind a usable payment method for attempt `n` at an invoice; None if there is none.

    With `lock` other attempts with the same card wait until this transaction ends, if a network counts this one.
    """
    row = session.execute(_CARD, {"method": method_id}).one_or_none() if method_id else None
    if row is None:
        return None
    counted = networks.counts(row.brand, now, original=n == 1)
    if counted and lock:
        session.execute(_LOCK, {"name": f"card:{row.card}"})
    return Card(row.gateway, row.token, row.brand, row.card, row.card_barred, counted)


def budget(session: Session, card: Card, amount: int, currency: str, trigger: str, now: datetime) -> Budget:
    """Whether the card may be tried now for this amount (minor units)."""
    if card.barred:
        return BARRED
    if not card.counted:
        return Budget(allow=True, reason="ok")
    since = now - networks.longest_window(card.network, now)
    tried = session.execute(_TRIED, {"card": card.id, "amount": amount, "currency": currency, "since": since})
    history = [
        PastAttempt(row.started_at, Attempt(card.id, amount, currency, initiator(row.trigger)), original=row.n == 1)
        for row in tried
    ]
    return networks.may_attempt(card.network, Attempt(card.id, amount, currency, initiator(trigger)), now, history)


def bar(session: Session, attempt_id: str) -> None:
    """The network has answered this attempt with never: the card is barred, behind whatever token it is known.

    Its methods are locked in the order of their ids: two who bar the same card at once wait for each other.
    """
    attempt, method = aliased(PaymentAttempt), aliased(PaymentMethod)
    declined = (
        select(method.id, method.fingerprint)
        .join(attempt, attempt.payment_method_id == method.id)
        .where(attempt.id == attempt_id)
        .subquery()
    )
    same = or_(_methods.c.id == declined.c.id, _methods.c.fingerprint == declined.c.fingerprint)
    locked = select(_methods.c.id).where(same).order_by(_methods.c.id).with_for_update(of=_methods)
    ids = [row.id for row in session.execute(locked)]
    session.execute(update(_methods).where(_methods.c.id.in_(ids)).values(card_barred=True))


def initiator(trigger: str) -> Initiator:
    return Initiator.MERCHANT if trigger in _BY_MERCHANT else Initiator.CUSTOMER

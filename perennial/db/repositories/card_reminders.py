"""Tells customers that a card expires which a subscription of theirs is charged to.

A card that nothing is charged to any more is not told of: because it was replaced, or the subscription has ended or is
about to; nor one whose bank has issued a new one behind the token. A reminder has a key, so looking often does no harm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import Session

from perennial.db.models import Customer, PaymentMethod, Subscription
from perennial.db.repositories import records
from perennial.domain import keys
from perennial.domain.cards import REMINDER_DAYS, due_reminder, reminders
from perennial.domain.subscription.effects import Message

# Somewhere it is a day earlier or later than here.
_ANYWHERE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Card:
    id: str
    customer_id: str
    subscription_id: str
    year: int
    month: int
    timezone: str


def tell(session: Session, as_of: datetime, after: str, limit: int) -> tuple[str | None, int]:
    """A page of cards by their ids: the last one of it (None: there is no more), and how many were due a reminder."""
    last = as_of + timedelta(days=max(REMINDER_DAYS)) + _ANYWHERE
    wanted = _cards(as_of - _ANYWHERE, last).where(Subscription.test_clock_id.is_(None), PaymentMethod.id > after)
    cards = _load(session, wanted.limit(limit))
    told = 0
    for card in cards:
        days = due_reminder(card.year, card.month, card.timezone, as_of)
        if days is not None:
            told += 1
            _write(session, card, days, as_of)
    return (cards[-1].id if len(cards) == limit else None), told


def tell_clock(session: Session, clock_id: str, since: datetime, until: datetime) -> None:
    """On a test clock that has moved, each at its own instant, to who is charged to the card when it has arrived."""
    last = until + timedelta(days=max(REMINDER_DAYS)) + _ANYWHERE
    for card in _load(session, _cards(since - _ANYWHERE, last).where(Subscription.test_clock_id == clock_id)):
        for days, at in reminders(card.year, card.month, card.timezone):
            if since < at <= until:
                _write(session, card, days, at)


def _cards(first: datetime, last: datetime) -> Select[str, str, str, int, int, str]:
    """Those that expire in a month from `first` to `last` and are charged."""
    month = tuple_(PaymentMethod.exp_year, PaymentMethod.exp_month)
    return (
        select(
            PaymentMethod.id,
            PaymentMethod.customer_id,
            func.min(Subscription.id),
            PaymentMethod.exp_year,
            PaymentMethod.exp_month,
            Customer.timezone,
        )
        .join(Customer, Customer.id == PaymentMethod.customer_id)
        .join(Subscription, Subscription.customer_id == PaymentMethod.customer_id)
        .where(
            PaymentMethod.detached_at.is_(None),
            month >= (first.year, first.month),
            month <= (last.year, last.month),
            Subscription.payment_method_id == PaymentMethod.id,
            Subscription.ended_at.is_(None),
            Subscription.cancel_at.is_(None),
        )
        .group_by(PaymentMethod.id, Customer.timezone)
        .order_by(PaymentMethod.id)
    )


def _load(session: Session, wanted: Select[str, str, str, int, int, str]) -> Sequence[_Card]:
    return [_Card(*row) for row in session.execute(wanted)]


def _write(session: Session, card: _Card, days: int, at: datetime) -> None:
    # The month belongs to the name: a card with another one is told of anew.
    key = keys.notify("card_expiring", f"{card.id}:{card.year}-{card.month:02}:{days}")
    data = {"payment_method": card.id, "exp_month": str(card.month), "exp_year": str(card.year)}
    message = Message(key, "card_expiring", data)
    records.write_messages(session, (message,), at, customer_id=card.customer_id, subscription_id=card.subscription_id)

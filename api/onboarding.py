"""A customer, a payment method and a subscription in one request.

Everything is checked before anything is kept: customer and payment method are committed together, in a transaction in
which the subscription could have begun too. They are committed before its workflow starts, because the first thing a
workflow writes refers to them.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from perennial.contracts.views import SubscriptionView
from perennial.db.models import PaymentMethod, Subscription
from perennial.domain.errors import InvalidInput
from perennial.engine import customers, subscriptions
from perennial.engine.context import Engine
from perennial.engine.parts import require_temporal
from perennial.engine.subscriptions import NewSubscription
from perennial.ports import CardDetails

Recognised = tuple[str, CardDetails]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """`customer` holds the arguments of `customers.add`; None: the customer exists.

    `token` becomes the payment method that the subscription names; None: none.
    """

    customer: Mapping[str, Any] | None = None
    token: str | None = None


async def subscribe(engine: Engine, newcomer: Newcomer, new: NewSubscription) -> SubscriptionView:
    """Raises what creating each of them would raise. Temporal is asked first: without it nothing is kept."""
    card = await asyncio.to_thread(customers.recognise, engine, newcomer.token) if newcomer.token else None
    await require_temporal(engine)
    await engine.write(lambda session: _open_account(engine, session, newcomer, new, card))
    return await subscriptions.create(engine, new)


def _open_account(
    engine: Engine, session: Session, newcomer: Newcomer, new: NewSubscription, card: Recognised | None
) -> None:
    """A repeated request finds what it has made before."""
    if new.id and session.get(Subscription, new.id):
        return
    if newcomer.customer:
        _add(session, new.customer_id, newcomer.customer, engine.clock())
    session.flush()
    customers.require(session, new.customer_id, lock=True)
    if newcomer.token and new.payment_method_id and card:
        _attach(engine, session, newcomer.token, new.payment_method_id, new.customer_id, card)
    state = subscriptions.prepare(engine, session, new)
    subscriptions.refuse_second(session, state.customer_id, state.terms)


def _add(session: Session, customer_id: str, customer: Mapping[str, Any], now: datetime) -> None:
    try:
        customers.add(session, customer_id, now, **customer)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"customer.{error.field}") from error


def _attach(engine: Engine, session: Session, token: str, method_id: str, customer_id: str, found: Recognised) -> None:
    gateway, card = found
    if session.get(PaymentMethod, method_id):
        return
    session.add(
        PaymentMethod(
            id=method_id,
            customer_id=customer_id,
            gateway=gateway,
            token=token,
            brand=card.brand,
            last4=card.last4,
            exp_month=card.exp_month,
            exp_year=card.exp_year,
            fingerprint=card.fingerprint or customers.card_of(customer_id, token),
            # The customer's own choice stands: this one is for the new subscription.
            is_default=customers.default_method(session, customer_id) is None,
            created_at=engine.clock(),
        )
    )
    session.flush()

"""What a message may say beyond its payload, looked up for a whole batch at once: names, plans, invoices, gifts.

Personal data never travels in a payload of a workflow; it is read here, when the message is written, from the rows
that own it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from perennial.db.models import Customer, Gift, Invoice, OutboxMessage, PaymentMethod, PlanVersion, Subscription
from perennial.db.repositories.statuses import OPEN
from perennial.notifications.kinds import BY_NAME, Audience

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Address:
    """Whom a message goes to, and in whose time zone its dates are told. `customer_id` None: no customer (yet)."""

    customer_id: str | None
    email: str
    name: str
    timezone: str


class Batch:
    """The facts of a batch of messages, in a few queries however many there are."""

    def __init__(self, session: Session, messages: Sequence[OutboxMessage]) -> None:
        self._gifts = _gifts(session, _named(messages, "gift"))
        self._subscriptions = _subscriptions(session, {m.subscription_id for m in messages if m.subscription_id})
        invoices = _named(messages, "invoice")
        self._invoices, self._payable = _invoices(session, invoices), _payable(session, invoices)
        self._cards = _cards(session, _named(messages, "payment_method"))
        customers = {m.customer_id for m in messages if m.customer_id}
        customers |= {facts["giver_id"] for facts in self._gifts.values()}
        self._customers = _customers(session, customers)

    def address(self, message: OutboxMessage) -> Address | None:
        """None when nobody is known who could be told."""
        gift = self._gifts.get(_name(message, "gift"))
        kind = BY_NAME.get(message.kind)
        if kind is None or kind.audience is Audience.CUSTOMER:
            return self._customers.get(message.customer_id or "")
        if gift is None:
            return None
        giver = self._customers[gift["giver_id"]]
        if kind.audience is Audience.GIFT_GIVER:
            return giver
        return Address(None, gift["recipient_email"], gift["recipient_name"], giver.timezone)

    def facts(
        self,
        message: OutboxMessage,
        address: Address,
        absolute: Callable[[str], str],
        pay_url: Callable[[str], str] | None = None,
    ) -> Facts:
        """Everything the template may use; the payload has the last word."""
        facts: Facts = {
            "customer_name": address.name,
            "timezone": address.timezone,
            "occurred_at": message.occurred_at,
        }
        facts |= self._subscriptions.get(message.subscription_id or "", {})
        invoice = _name(message, "invoice")
        facts |= self._invoices.get(invoice, {})
        if pay_url is not None and invoice in self._payable:
            facts["pay_url"] = pay_url(invoice)
        facts |= self._cards.get(_name(message, "payment_method"), {})
        gift = self._gifts.get(_name(message, "gift"))
        if gift is not None:
            facts |= gift | {"giver_name": self._customers[gift["giver_id"]].name}
        facts |= message.payload
        if "action_url" in facts:
            facts["action_url"] = absolute(facts["action_url"])
        return facts


def _name(message: OutboxMessage, of: str) -> str:
    """The id that a payload names, or "": a row with garbage in it must fail alone, not its batch."""
    payload: object = message.payload
    found = payload.get(of) if isinstance(payload, dict) else None
    return found if isinstance(found, str) else ""


def _named(messages: Sequence[OutboxMessage], of: str) -> set[str]:
    return {name for message in messages if (name := _name(message, of))}


def _customers(session: Session, ids: Iterable[str]) -> dict[str, Address]:
    statement = select(Customer.id, Customer.email, Customer.name, Customer.timezone).where(Customer.id.in_(ids))
    return {row.id: Address(row.id, row.email, row.name, row.timezone) for row in session.execute(statement)}


def _subscriptions(session: Session, ids: Iterable[str]) -> dict[str, Facts]:
    statement = (
        select(Subscription.id, Subscription.quantity, PlanVersion.name)
        .join(
            PlanVersion,
            and_(PlanVersion.plan_code == Subscription.plan_code, PlanVersion.version == Subscription.plan_version),
        )
        .where(Subscription.id.in_(ids))
    )
    return {row.id: {"plan": row.name, "quantity": row.quantity} for row in session.execute(statement)}


def _invoices(session: Session, ids: Iterable[str]) -> dict[str, Facts]:
    statement = select(Invoice.id, Invoice.number, Invoice.amount_due, Invoice.currency).where(Invoice.id.in_(ids))
    return {
        row.id: {"invoice_number": row.number, "amount": row.amount_due, "currency": row.currency}
        for row in session.execute(statement)
    }


def _payable(session: Session, ids: Iterable[str]) -> set[str]:
    """Those that can still be paid by their link, while the message is written. A gift is paid when it is bought."""
    statement = select(Invoice.id).where(
        Invoice.id.in_(ids), Invoice.status == OPEN, Invoice.amount_due > 0, Invoice.gift_id.is_(None)
    )
    return set(session.scalars(statement))


def _cards(session: Session, ids: Iterable[str]) -> dict[str, Facts]:
    statement = select(PaymentMethod).where(PaymentMethod.id.in_(ids))
    return {
        row.id: {"brand": row.brand, "last4": row.last4, "exp_month": row.exp_month, "exp_year": row.exp_year}
        for row in session.scalars(statement)
    }


def _gifts(session: Session, ids: Iterable[str]) -> dict[str, Facts]:
    statement = (
        select(Gift, PlanVersion.name)
        .join(PlanVersion, and_(PlanVersion.plan_code == Gift.plan_code, PlanVersion.version == Gift.plan_version))
        .where(Gift.id.in_(ids))
    )
    return {
        gift.id: {
            "plan": plan,
            "quantity": gift.quantity,
            "periods": gift.periods,
            "giver_id": gift.giver_id,
            "recipient_name": gift.recipient_name,
            "recipient_email": gift.recipient_email,
            "message": gift.message,
            "claim_code": gift.claim_code,
            "deliver_at": gift.deliver_at,
            "expires_at": gift.expires_at,
        }
        for gift, plan in session.execute(statement)
    }

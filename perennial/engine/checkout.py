"""Sessions of the checkout page: made by the merchant, or by a link in a mail, and opened with a secret.

A session is a way to the one writer of what is paid, not a writer itself: it hands a payment method on, and the
workflow charges. Its own time is the machine's (`engine.clock`): a browser lives on no test clock.
"""

import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import TypeAdapter
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from perennial import links
from perennial.db.models import CheckoutSession, Invoice, Subscription
from perennial.db.repositories.statuses import OPEN as INVOICE_OPEN
from perennial.db.repositories.statuses import PAID
from perennial.domain.errors import CommandRefused, InvalidInput, InvoiceNotOpen, NotFound
from perennial.domain.one_off import InvoicePaid
from perennial.engine import customers, invoices, routing
from perennial.engine.context import Engine
from perennial.engine.ids import new_id
from perennial.engine.subscriptions import NewSubscription, prepare, refuse_second

LONGEST = timedelta(hours=24)
SHORTEST = timedelta(minutes=5)
_TERMS: TypeAdapter[NewSubscription] = TypeAdapter(NewSubscription)


class Mode(StrEnum):
    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"
    SETUP = "setup"


class SessionStatus(StrEnum):
    OPEN = "open"
    COMPLETED = "completed"
    EXPIRED = "expired"


class CheckoutCompleted(CommandRefused):
    code = "checkout_completed"

    def __init__(self, session: str) -> None:
        super().__init__(session, "the checkout is completed")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """`terms` of mode subscription, `invoice_id` of mode invoice, `customer_id` of mode setup.

    `currency` of mode setup: what the method will be charged in; None: as the customer's subscriptions.
    """

    mode: Mode
    customer_id: str | None = None
    invoice_id: str | None = None
    terms: NewSubscription | None = None
    currency: str | None = None
    success_url: str | None = None
    cancel_url: str | None = None
    expires_in: timedelta = LONGEST
    is_link: bool = False
    id: str | None = None


async def create(engine: Engine, new: NewSession) -> CheckoutSession:
    """The same `id` again gives the session that exists.

    Raises:
        NotFound: no such customer, plan or invoice.
        InvalidInput: what the session is for could never be done; as `subscriptions.create` says it.
        InvoicePaid, InvoiceNotOpen, InvoiceIsDraft: nothing can be paid.
        AlreadySubscribed, PlanArchived: the subscription would be refused.
        NoGateway: no gateway takes the currency.
    """
    if not SHORTEST <= new.expires_in <= LONGEST:
        raise InvalidInput("must be from five minutes to 24 hours", field="expires_in")

    def insert(session: Session) -> CheckoutSession:
        return add(engine, session, new)

    return await engine.write(insert)


def add(engine: Engine, session: Session, new: NewSession) -> CheckoutSession:
    """`create` within a transaction."""
    session_id, now = new.id or new_id("cs"), engine.clock()
    if found := session.get(CheckoutSession, session_id):
        return found
    customer_id, currency = _purpose(engine, session, new)
    row = CheckoutSession(
        id=session_id,
        mode=new.mode.value,
        status=SessionStatus.OPEN.value,
        secret_hash=_secret_hash(engine, session_id),
        customer_id=customer_id,
        terms=_TERMS.dump_python(new.terms, mode="json") if new.terms else None,
        invoice_id=new.invoice_id,
        is_link=new.is_link,
        gateway=_gateway_for(engine, session, customer_id, currency),
        tries=0,
        success_url=new.success_url,
        cancel_url=new.cancel_url,
        created_at=now,
        expires_at=now + new.expires_in,
    )
    session.add(row)
    session.flush()
    return row


def _purpose(engine: Engine, session: Session, new: NewSession) -> tuple[str, str | None]:
    """Whose checkout it is and in which currency, when what it is for has been found possible."""
    if new.terms is not None:
        state = prepare(engine, session, new.terms, with_method=True)
        refuse_second(session, state.customer_id, state.terms)
        return state.customer_id, state.currency
    if new.invoice_id is not None:
        invoice = payable(session, new.invoice_id)
        if new.customer_id not in (None, invoice.customer_id):
            raise InvalidInput("the invoice is another customer's", field="customer_id")
        return invoice.customer_id, invoice.currency
    assert new.customer_id is not None, new.mode
    customer = customers.require(session, new.customer_id)
    return customer.id, new.currency or _charged_in(session, customer.id)


def _charged_in(session: Session, customer_id: str) -> str | None:
    """The currency of the newest subscription that has not ended, or else of the newest invoice."""
    living = select(Subscription.currency).where(
        Subscription.customer_id == customer_id, Subscription.ended_at.is_(None)
    )
    billed = select(Invoice.currency).where(Invoice.customer_id == customer_id)
    return session.scalar(living.order_by(Subscription.created_at.desc(), Subscription.id).limit(1)) or session.scalar(
        billed.order_by(Invoice.issued_at.desc(), Invoice.id).limit(1)
    )


def _gateway_for(engine: Engine, session: Session, customer_id: str, currency: str | None) -> str:
    """Where a new card is taken: as the routing says for this currency.

    Of whom nobody knows in what they will be charged: the primary gateway.
    """
    if currency is None:
        return engine.gateway.name
    return routing.order_within(engine, session, customer_id, currency)[0]


def payable(session: Session, invoice_id: str) -> Invoice:
    """Raises what `create` raises."""
    invoice = invoices.require(session, invoice_id)
    if invoice.status == PAID:
        raise InvoicePaid(invoice_id)
    if invoice.status != INVOICE_OPEN:
        raise InvoiceNotOpen(invoice_id)
    return invoice


async def follow_link(engine: Engine, invoice_id: str) -> CheckoutSession:
    """The session of the link in a mail: the one that is open, or a new one. Raises what `create` raises."""

    def find(session: Session) -> CheckoutSession:
        now = engine.clock()
        payable(session, invoice_id)
        # The invoice is held: two who open the link at once get the same session.
        session.scalar(select(Invoice.id).where(Invoice.id == invoice_id).with_for_update(key_share=True))
        lapse(session, now)
        of_link = select(CheckoutSession).where(
            CheckoutSession.invoice_id == invoice_id,
            CheckoutSession.is_link,
            CheckoutSession.status == SessionStatus.OPEN,
        )
        found = session.scalar(of_link)
        if found is None:
            return add(engine, session, NewSession(mode=Mode.INVOICE, invoice_id=invoice_id, is_link=True))
        # Links of mails are made anew with the settings' secret; so is what they open.
        found.secret_hash = _secret_hash(engine, found.id)
        return found

    return await engine.write(find)


def lapse(session: Session, now: datetime) -> None:
    """Close those whose time is over."""
    over = update(CheckoutSession).where(
        CheckoutSession.status == SessionStatus.OPEN, CheckoutSession.expires_at <= now
    )
    session.execute(over.values(status=SessionStatus.EXPIRED.value).execution_options(synchronize_session="fetch"))


async def expire(engine: Engine, session_id: str) -> CheckoutSession:
    """Its link leads nowhere any more. What the customer has begun goes on without it. Doing it twice changes nothing.

    Raises:
        NotFound, CheckoutCompleted.
    """

    def close(session: Session) -> CheckoutSession:
        row = require(session, session_id, lock=True)
        if row.status == SessionStatus.COMPLETED:
            raise CheckoutCompleted(session_id)
        row.status = SessionStatus.EXPIRED.value
        return row

    return await engine.write(close)


def require(session: Session, session_id: str, *, lock: bool = False) -> CheckoutSession:
    row = session.get(CheckoutSession, session_id, with_for_update=lock or None, populate_existing=lock)
    if row is None:
        raise NotFound("checkout session", session_id)
    return row


async def opened(engine: Engine, session_id: str, secret: str) -> CheckoutSession:
    """The session, for whoever has its secret.

    Raises:
        NotFound: no such session, or the secret is wrong: nobody is told which.
    """
    row = await engine.read(lambda session: session.get(CheckoutSession, session_id))
    if row is None or not hmac.compare_digest(row.secret_hash, links.hashed(secret)):
        raise NotFound("checkout session", session_id)
    return row


def url_of(engine: Engine, row: CheckoutSession) -> str | None:
    """Where the customer goes; None when it is over, or when the settings' secret is not the one it began with."""
    if row.status != SessionStatus.OPEN:
        return None
    return links.checkout_url(engine.settings, row.id) if _secret_hash(engine, row.id) == row.secret_hash else None


def _secret_hash(engine: Engine, session_id: str) -> str:
    return links.hashed(links.checkout_secret(engine.settings, session_id))


def subscription_id(row: CheckoutSession) -> str:
    """The name of the subscription that a session leads to, also before there is one: it leads to one only."""
    return row.subscription_id or new_id("sub", row.id)


def terms_of(row: CheckoutSession, payment_method_id: str | None = None) -> NewSubscription:
    """What is subscribed to."""
    terms = _TERMS.validate_python(row.terms)
    return replace(terms, id=subscription_id(row), payment_method_id=payment_method_id)

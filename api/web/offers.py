"""What is bought at a checkout, as a document: from the core that will charge it, or from the invoice that is open."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from perennial.db.models import Customer, Invoice, Subscription
from perennial.documents.document import Discount, Document, Kind, Line, LineDiscount, Party, Settlement, Tax
from perennial.documents.load import days_between, invoice_document
from perennial.domain.calendar import Interval, to_wall
from perennial.domain.subscription import State, Status
from perennial.domain.subscription.opening import needs_payment_method
from perennial.engine import previews, seller, states
from perennial.engine.checkout import terms_of
from perennial.engine.checkout_standing import Standing
from perennial.engine.context import Engine
from perennial.engine.previews import Preview
from perennial.engine.subscriptions import prepare


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a subscription costs afterwards: `amount` (minor units, taxes in it) on `on`, where the customer is."""

    amount: int
    interval: Interval
    on: date


@dataclass(frozen=True, slots=True)
class Offer:
    """`plan` names what is subscribed to, `trial_end` until when that is free; `net_days`: an invoice is sent.

    `fingerprint` says which figures were shown: what is charged must not be others.
    """

    document: Document
    plan: str | None = None
    ahead: Ahead | None = None
    trial_end: date | None = None
    net_days: int | None = None
    needs_method: bool = True

    @property
    def fingerprint(self) -> str:
        then = f"{self.ahead.amount}:{self.ahead.interval}" if self.ahead else ""
        return f"{self.document.amount_due}:{self.document.currency}:{then}"


def offer_of(engine: Engine, session: Session, standing: Standing) -> Offer | None:
    """None where nothing is bought: a payment method is added.

    Raises:
        InvalidInput, CommandRefused: what was offered is not to be had any more.
    """
    if standing.subscription is not None:
        state = states.current(session, standing.subscription)
        return _begun(engine, session, state, standing.subscription, standing.invoice)
    if standing.invoice is not None:
        return Offer(invoice_document(session, standing.invoice.id))
    if standing.row.terms is None:
        return None
    state = prepare(engine, session, terms_of(standing.row), with_method=True)
    preview = previews.previewed(engine, session, state)
    following = (preview.next_invoice_at, preview.next_amount)
    return Offer(
        _document(session, preview, state),
        plan=state.terms.name,
        ahead=_ahead(state, *following),
        trial_end=_day(state.trial_end, state) if state.trial_end else None,
        net_days=state.net_days,
        needs_method=needs_payment_method(state),
    )


def _begun(
    engine: Engine, session: Session, state: State, subscription: Subscription, invoice: Invoice | None
) -> Offer:
    """It is there, and its first invoice may be open."""
    incomplete = state.status is Status.INCOMPLETE
    following = previews.upcoming(engine, session, state) if incomplete else None
    document = invoice_document(session, invoice.id) if invoice else _nothing(session, state)
    return Offer(
        document,
        plan=state.terms.name,
        ahead=_ahead(state, *following) if following else None,
        trial_end=_day(state.trial_end, state) if state.trial_end else None,
        net_days=subscription.state.get("net_days"),
    )


def _ahead(state: State, at: datetime | None, amount: int | None) -> Ahead | None:
    if at is None or amount is None:
        return None
    return Ahead(amount, state.terms.interval, _day(at, state))


def _day(instant: datetime, state: State) -> date:
    return to_wall(instant, state.timezone).date()


def _nothing(session: Session, state: State) -> Document:
    return _sheet(session, state, (), (), (), (0, 0, 0, 0, 0))


def _document(session: Session, preview: Preview, state: State) -> Document:
    """What would be issued now, as far as a customer is shown it before it is."""
    lines = tuple(
        Line(
            description=each.line.description,
            quantity=each.line.quantity,
            amount=each.line.amount,
            net=each.net,
            tax=each.tax,
            taxes=tuple(position for position, _ in each.taxes),
            days=days_between(each.line.period.start, each.line.period.end, state.timezone),
            price=each.line.price,
            discounts=tuple(LineDiscount(part.coupon, part.amount) for part in each.line.discounts),
            tax_inclusive=each.line.tax_inclusive,
        )
        for each in preview.lines
    )
    taxes = tuple(
        Tax(
            each.rate.name,
            each.rate.jurisdiction,
            each.rate.percent,
            each.rate.category,
            each.base,
            each.amount,
            each.rate.reason,
        )
        for each in preview.taxes
    )
    discounts = tuple(Discount(each.coupon, each.amount, each.unused) for each in preview.discounts)
    sums = (preview.subtotal, preview.discount, preview.tax, preview.total, preview.credit_applied)
    return _sheet(session, state, lines, taxes, discounts, sums)


def _sheet(
    session: Session,
    state: State,
    lines: tuple[Line, ...],
    taxes: tuple[Tax, ...],
    discounts: tuple[Discount, ...],
    sums: tuple[int, int, int, int, int],
) -> Document:
    subtotal, discount, tax, total, credit = sums
    customer = session.get_one(Customer, state.customer_id)
    return Document(
        id="",
        kind=Kind.INVOICE,
        number="",
        issued=_day(state.as_of, state),
        seller=selling(session),
        buyer=Party(customer.name),
        currency=state.currency,
        lines=lines,
        subtotal=subtotal,
        discount=discount,
        net=total - tax,
        tax=tax,
        total=total,
        credit_applied=credit,
        amount_due=total - credit,
        settlement=Settlement("open"),
        taxes=taxes,
        discounts=discounts,
        locale=customer.locale,
    )


def selling(session: Session) -> Party:
    """Who sells, as pages call them; the name of the house as long as nobody has said."""
    profile = seller.find(session)
    return Party(profile.name if profile else "Perennial")

"""How a subscription comes to be, before anything has happened to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial.domain import calendar
from perennial.domain.calendar import Period
from perennial.domain.catalog import AddOn, PlanTerms
from perennial.domain.errors import InvalidQuantity, PaymentMethodRequired
from perennial.domain.subscription.state import Discount, Span, SpanKind, State, Status

MAX_QUANTITY = 1_000_000
# Minor units: far beyond any card, and what every gateway and column can still hold.
MAX_AMOUNT = 10**12
# As card schemes expect it: a first payment that is not settled within a day is given up.
INCOMPLETE_FOR = timedelta(hours=23)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a new subscription is made of. `start` is UTC; `prepaid_periods` come from the gift `gift_id`.

    `net_days`: invoices are sent, and may be paid within so many days; None: they are charged at once.
    """

    id: str
    customer_id: str
    terms: PlanTerms
    quantity: int
    timezone: str
    start: datetime
    payment_method_id: str | None = None
    trial_days: int | None = None
    discounts: tuple[Discount, ...] = ()
    addons: tuple[AddOn, ...] = ()
    net_days: int | None = None
    prepaid_periods: int = 0
    gift_id: str | None = None
    test_clock_id: str | None = None
    clock_offset: timedelta = timedelta()
    renewal_window_seconds: int = 0


def open_subscription(opening: Opening) -> State:
    """The state in which a workflow starts. Whole seconds: an anchor with microseconds helps nobody.

    Raises:
        PaymentMethodRequired: if something will be charged and there is nothing to charge.
        InvalidQuantity, UnknownTimezone: if those inputs are wrong.
    """
    terms = opening.terms
    check_quantity(terms, opening.quantity, opening.addons)
    calendar.check_timezone(opening.timezone)
    start = opening.start.replace(microsecond=0)
    trial_days = terms.trial_days if opening.trial_days is None else opening.trial_days
    trial_days = 0 if opening.prepaid_periods else trial_days
    if trial_days:
        trial_end = calendar.add_local_days(start, trial_days, opening.timezone)
        anchor, index, period = calendar.to_wall(trial_end, opening.timezone), -1, Period(start, trial_end)
        status, kind, incomplete_until = Status.TRIALING, SpanKind.TRIAL, None
    else:
        trial_end = None
        anchor, index = calendar.to_wall(start, opening.timezone), 0
        period = Period(start, calendar.boundary(anchor, terms.interval, opening.timezone, 1))
        status, kind, incomplete_until = Status.INCOMPLETE, SpanKind.PAID, start + INCOMPLETE_FOR
    state = State(
        id=opening.id,
        customer_id=opening.customer_id,
        currency=terms.currency,
        timezone=opening.timezone,
        terms=terms,
        quantity=opening.quantity,
        status=status,
        created_at=start,
        as_of=start,
        anchor=anchor,
        index=index,
        period=period,
        period_no=0,
        span=Span(period.start, period.end, kind, 0),
        payment_method_id=opening.payment_method_id,
        trial_end=trial_end,
        incomplete_until=incomplete_until,
        discounts=opening.discounts,
        addons=opening.addons,
        net_days=opening.net_days,
        prepaid_periods=opening.prepaid_periods,
        gift_id=opening.gift_id,
        test_clock_id=opening.test_clock_id,
        clock_offset=opening.clock_offset,
        renewal_window_seconds=opening.renewal_window_seconds,
    )
    if state.payment_method_id is None and needs_payment_method(state):
        raise PaymentMethodRequired(terms.code)
    return state


def check_quantity(terms: PlanTerms, quantity: int, addons: Sequence[AddOn] = (), periods: int = 1) -> None:
    """So many units (and add-ons) have a price on these terms, and it can be charged for `periods` at once.

    What is asked for must be refused when it is asked for: at the renewal nobody would be there to be told.

    Raises:
        InvalidQuantity, InvalidInput: if not.
    """
    for field, count in (("quantity", quantity), *(("addons", addon.quantity) for addon in addons)):
        if not 1 <= count <= MAX_QUANTITY:
            raise InvalidQuantity(f"must be between 1 and {MAX_QUANTITY}", field=field)
    if len({addon.code for addon in addons}) < len(addons):
        raise InvalidQuantity("an add-on is named twice", field="addons")
    fees = sum(fee.amount for fee in terms.fees)
    if terms.amount(quantity, addons) * periods + fees > MAX_AMOUNT:
        raise InvalidQuantity(f"costs more than {MAX_AMOUNT} minor units", field="quantity")


def needs_payment_method(state: State) -> bool:
    """Whether a subscription that is about to begin so has to name what will be charged."""
    if state.prepaid_periods or state.net_days is not None:
        return False
    needed = state.terms.trial_needs_card if state.status is Status.TRIALING else True
    return needed and state.costs_something

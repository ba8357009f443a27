"""Every error the domain raises. It holds the values and ids involved and knows nothing of HTTP or Temporal.

    PerennialError
    ├── InvalidInput                a value that can never be right; `field` says which, where that is known
    │   ├── UnknownCurrency         no ISO 4217 code
    │   ├── CurrencyMismatch        two currencies in one sum
    │   ├── UnknownTimezone         no IANA name
    │   ├── InvalidInstant          an instant without a zone, or a wall time with one
    │   ├── InvalidPeriod           a period that ends before it starts, or lies outside of another
    │   ├── InvalidInterval         a length below one, or a boundary beyond the calendar
    │   ├── InvalidPrice            a pricing model with a wrong field
    │   ├── InvalidQuantity         below zero, or beyond the last tier of a price
    │   ├── InvalidPolicy           dunning offsets that do not rise, a grace below zero
    │   ├── InvalidInvoice          parts of an invoice that contradict each other
    │   ├── WrongEvents             events of a batch, each with what is wrong with it (in `domain.usage`)
    │   ├── PaymentMethodRequired   something would be charged and there is nothing to charge
    │   └── UnsupportedCurrency     the plan has no price in it
    ├── CommandRefused              the state of things does not allow it; `subject` says of what
    │   ├── SubscriptionEnded, NotPaused, AlreadyPaused, PaymentOverdue, SamePlan, CurrencyChange,
    │   │   AlreadyCanceling, NotCanceling, NotRenewing, NotTrialing, NotReactivatable, CancellationPending,
    │   │   NothingToPay, InvoiceNotOpen, AlreadySkipping, AlreadyDiscounted, PrepaidByGift,
    │   │   ChangePending, MovedMeanwhile; SubscriptionParked, NotParked (in `parking`)    (subscriptions)
    │   ├── AlreadySubscribed, PlanArchived, ClockAdvancing, ClockBackwards, Conflict;
    │   │   ClockLeftBehind (in `engine.clocks`)
    │   ├── GiftNotClaimable, GiftNotCancelable                                   (gifts)
    │   ├── InvoicePaid, InvoiceNotPaid, InvoiceIsDraft, InvoiceFinal, DraftEmpty, NothingToCredit, GiftInvoice,
    │   │   OlderInvoiceFirst                                                       (in `domain.one_off`)
    │   └── CouponExhausted, CouponExpired, CouponArchived, FirstTimeOnly, AlreadyRedeemed    (in `domain.coupons`)
    ├── NotFound                    no such thing
    ├── UnbalancedPosting           a defect: entries that do not sum to nought
    └── EngineUnavailable           a part that the engine stands on is away; nothing has been written

The translators into other languages are `api/errors.py` and `activities/errors.py`.
"""

from datetime import datetime
from typing import ClassVar


class PerennialError(Exception):
    """The base. `code` is stable: clients and operators may match on it."""

    code: ClassVar[str] = "perennial_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(PerennialError):
    """A value that no state of the system could make right."""

    code = "invalid_input"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class UnknownCurrency(InvalidInput):
    code = "unknown_currency"

    def __init__(self, currency: str, *, field: str | None = "currency") -> None:
        super().__init__(f"{currency!r} is no ISO 4217 currency code", field=field)
        self.currency = currency


class CurrencyMismatch(InvalidInput):
    code = "currency_mismatch"

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"{left} and {right} do not mix", field="currency")
        self.currencies = (left, right)


class UnknownTimezone(InvalidInput):
    code = "unknown_timezone"

    def __init__(self, timezone: str, *, field: str | None = "timezone") -> None:
        super().__init__(f"{timezone!r} is no IANA time zone", field=field)
        self.timezone = timezone


class InvalidInstant(InvalidInput):
    code = "invalid_instant"


class InvalidPeriod(InvalidInput):
    code = "invalid_period"


class InvalidInterval(InvalidInput):
    code = "invalid_interval"


class InvalidPrice(InvalidInput):
    code = "invalid_price"


class InvalidQuantity(InvalidInput):
    code = "invalid_quantity"


class InvalidPolicy(InvalidInput):
    code = "invalid_policy"


class InvalidInvoice(InvalidInput):
    code = "invalid_invoice"


class PaymentMethodRequired(InvalidInput):
    code = "payment_method_required"

    def __init__(self, plan: str) -> None:
        super().__init__(f"plan {plan!r} is not free: a payment method is needed", field="payment_method_id")


class UnsupportedCurrency(InvalidInput):
    code = "unsupported_currency"

    def __init__(self, plan: str, currency: str) -> None:
        super().__init__(f"plan {plan!r} is not sold in {currency}", field="currency")


class CommandRefused(PerennialError):
    """Nothing has happened. `subject` is the id of what refused."""

    code = "command_refused"

    def __init__(self, subject: str, message: str) -> None:
        super().__init__(message)
        self.subject = subject


class SubscriptionEnded(CommandRefused):
    code = "subscription_ended"

    def __init__(self, subscription: str, status: str) -> None:
        super().__init__(subscription, f"the subscription is {status}; only reactivating is possible")


class NotPaused(CommandRefused):
    code = "not_paused"

    def __init__(self, subscription: str, status: str) -> None:
        super().__init__(subscription, f"the subscription is {status}, not paused")


class AlreadyPaused(CommandRefused):
    code = "already_paused"

    def __init__(self, subscription: str) -> None:
        super().__init__(
            subscription, "the subscription is paused, or will be at the end of the period: resume it first"
        )


class PaymentOverdue(CommandRefused):
    code = "payment_overdue"

    def __init__(self, subscription: str, status: str) -> None:
        super().__init__(subscription, f"the subscription is {status}: the open invoice has to be settled first")


class SamePlan(CommandRefused):
    code = "same_plan"

    def __init__(self, subscription: str, plan: str) -> None:
        super().__init__(subscription, f"the subscription has plan {plan!r} in this version and quantity already")


class CurrencyChange(CommandRefused):
    code = "currency_change"

    def __init__(self, subscription: str, current: str, wanted: str) -> None:
        super().__init__(subscription, f"a subscription in {current} cannot change to {wanted}")


class AlreadyCanceling(CommandRefused):
    code = "already_canceling"

    def __init__(self, subscription: str, at: datetime) -> None:
        super().__init__(subscription, f"the subscription ends on {at.isoformat()} already")


class NotCanceling(CommandRefused):
    code = "not_canceling"

    def __init__(self, subscription: str) -> None:
        super().__init__(subscription, "no cancellation is ahead")


class NotRenewing(CommandRefused):
    code = "not_renewing"

    def __init__(self, subscription: str, status: str) -> None:
        super().__init__(subscription, f"the subscription is {status} and has no period end to wait for")


class NotTrialing(CommandRefused):
    code = "not_trialing"

    def __init__(self, subscription: str, status: str) -> None:
        super().__init__(subscription, f"the subscription is {status}, not in a trial")


class NotReactivatable(CommandRefused):
    code = "not_reactivatable"

    def __init__(self, subscription: str, status: str) -> None:
        super().__init__(subscription, f"the subscription is {status}; only an ended one can be reactivated")


class CancellationPending(CommandRefused):
    code = "cancellation_pending"

    def __init__(self, subscription: str) -> None:
        super().__init__(subscription, "the subscription is about to end: undo the cancellation first")


class NothingToPay(CommandRefused):
    code = "nothing_to_pay"

    def __init__(self, subscription: str) -> None:
        super().__init__(subscription, "no invoice is open")


class InvoiceNotOpen(CommandRefused):
    code = "invoice_not_open"

    def __init__(self, invoice: str) -> None:
        super().__init__(invoice, "the invoice is not open")


class AlreadySkipping(CommandRefused):
    code = "already_skipping"

    def __init__(self, subscription: str) -> None:
        super().__init__(subscription, "the next period is skipped already")


class AlreadyDiscounted(CommandRefused):
    code = "already_discounted"

    def __init__(self, subscription: str, coupon: str) -> None:
        super().__init__(subscription, f"coupon {coupon!r} is in force and does not go together with this one")


class PrepaidByGift(CommandRefused):
    code = "prepaid_by_gift"

    def __init__(self, subscription: str) -> None:
        super().__init__(subscription, "prepaid by a gift: change at the end of the last prepaid period instead")


class ChangePending(CommandRefused):
    code = "change_pending"

    def __init__(self, subscription: str) -> None:
        super().__init__(subscription, "a change of plan is ahead: change back to the current plan first")


class MovedMeanwhile(CommandRefused):
    code = "moved_meanwhile"

    def __init__(self, subscription: str, plan: str, version: int) -> None:
        super().__init__(subscription, f"the subscription is on plan {plan!r} version {version} by now")


class AlreadySubscribed(CommandRefused):
    code = "already_subscribed"

    def __init__(self, customer: str, plan: str, subscription: str) -> None:
        super().__init__(customer, f"the customer has plan {plan!r} already ({subscription})")


class PlanArchived(CommandRefused):
    code = "plan_archived"

    def __init__(self, plan: str) -> None:
        super().__init__(plan, f"plan {plan!r} is archived and takes no new subscribers")


class ClockAdvancing(CommandRefused):
    code = "clock_advancing"

    def __init__(self, clock: str) -> None:
        super().__init__(
            clock,
            "the test clock is moving; try again when it has arrived. A move that was cut off: advance it again",
        )


class ClockBackwards(CommandRefused):
    code = "clock_backwards"

    def __init__(self, clock: str, now: datetime) -> None:
        super().__init__(clock, f"a test clock moves forward only; it stands at {now.isoformat()}")


class Conflict(CommandRefused):
    code = "conflict"


class GiftNotClaimable(CommandRefused):
    code = "gift_not_claimable"


class GiftNotCancelable(CommandRefused):
    code = "gift_not_cancelable"


class NotFound(PerennialError):
    """`kind` and `id` say what is not there."""

    code = "not_found"

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(f"no {kind} {id!r}")
        self.kind = kind
        self.id = id


class UnbalancedPosting(PerennialError):
    code = "unbalanced_posting"

    def __init__(self, key: str) -> None:
        super().__init__(f"the entries of {key} do not sum to nought")


class EngineUnavailable(PerennialError):
    """PostgreSQL or Temporal is away. Trying again later is safe."""

    code = "engine_unavailable"

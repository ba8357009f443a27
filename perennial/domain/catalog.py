"""The terms of a plan version in one currency. A subscription carries them with it and never reads the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from perennial.domain.calendar import Interval
from perennial.domain.dunning import DEFAULT_POLICY, DunningPolicy
from perennial.domain.errors import InvalidInput, InvalidQuantity
from perennial.domain.money import exponent
from perennial.domain.pricing import PricingModel, price
from perennial.domain.proration import ProrationBasis


class RefundPolicy(StrEnum):
    """What a cancellation gives back: nothing, the unused rest of the period, or all that was paid for it."""

    NONE = "none"
    PRORATED = "prorated"
    FULL = "full"


class DisputePolicy(StrEnum):
    """What becomes of a subscription whose charge is disputed.

    `keep`: nothing, whatever the bank decides. `freeze`: service and renewals stop until the bank has decided; lost, it
    ends. `cancel`: it ends at once. Nothing is ever refunded of a disputed charge.
    """

    KEEP = "keep"
    FREEZE = "freeze"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class UsageCharge:
    """What is measured by `meter` and charged in arrears, with the invoice that begins the next period."""

    code: str
    name: str
    meter: str
    price: PricingModel


@dataclass(frozen=True, slots=True)
class Fee:
    """Charged once, with the first billed period. `amount` in minor units."""

    code: str
    name: str
    amount: int


@dataclass(frozen=True, slots=True)
class AddOnTerms:
    """What may be had besides, at its own price for each period of the plan."""

    code: str
    name: str
    price: PricingModel


@dataclass(frozen=True, slots=True)
class AddOn:
    """How many of an add-on somebody has."""

    code: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that recurs: the plan itself or an add-on. `amount` in minor units of one whole period."""

    code: str
    name: str
    quantity: int
    price: PricingModel
    amount: int


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """A changed plan is a new version; who has subscribed keeps these terms until they change.

    `price` recurs in advance, `charges` are measured and follow in arrears, `fees` come once.

    Raises:
        UnknownCurrency: if the currency is none.
        InvalidInput: if a number of days is below zero, or two parts have one code.
    """

    code: str
    version: int
    name: str
    interval: Interval
    currency: str
    price: PricingModel
    trial_days: int = 0
    trial_needs_card: bool = True
    proration: ProrationBasis = ProrationBasis.SECOND
    reminder_days: int | None = None
    """Days before a renewal at which the customer is told; None: never."""
    dunning: DunningPolicy = DEFAULT_POLICY
    allow_multiple: bool = False
    """Whether one customer may hold this plan twice."""
    charges: tuple[UsageCharge, ...] = ()
    fees: tuple[Fee, ...] = ()
    addons: tuple[AddOnTerms, ...] = ()
    tax_inclusive: bool = False
    """Whether the prices hold the tax already."""
    cancel_refund: RefundPolicy = RefundPolicy.NONE
    """What a cancellation at once gives back when it does not say so itself."""
    refund_to_credit: bool = False
    """Whether that goes to the customer's balance instead of the payment method."""
    on_dispute: DisputePolicy = DisputePolicy.FREEZE
    """Freezing is the one answer that loses nothing: no second charge of a card whose owner contests the first, and the
    rest of the period is kept for whoever turns out to be right."""

    def __post_init__(self) -> None:
        exponent(self.currency)
        for field in ("charges", "fees", "addons"):
            codes = [part.code for part in getattr(self, field)]
            if len(set(codes)) < len(codes):
                raise InvalidInput(f"two {field} have one code", field=field)
        if self.trial_days < 0:
            raise InvalidInput(f"a trial of {self.trial_days} days has no length", field="trial_days")
        if self.reminder_days is not None and self.reminder_days < 1:
            raise InvalidInput("a reminder comes at least one day ahead", field="reminder_days")

    def amount(self, quantity: int, addons: Sequence[AddOn] = ()) -> int:
        """Minor units of one whole period, discounts not taken off; usage and fees are not in it.

        Raises:
            InvalidQuantity: below zero, or beyond the last tier of a price.
            InvalidInput: an add-on that these terms do not have.
        """
        return sum(item.amount for item in self.items(quantity, addons))

    def items(self, quantity: int, addons: Sequence[AddOn] = ()) -> tuple[Item, ...]:
        """The plan and the add-ons, in the order of the terms. Raises as `amount` does."""
        wanted = {addon.code: addon.quantity for addon in addons}
        if unknown := wanted.keys() - {addon.code for addon in self.addons}:
            raise InvalidInput(f"plan {self.code!r} has no add-on {min(unknown)!r}", field="addons")
        parts = [(self.code, self.name, quantity, self.price)]
        parts += [(addon.code, addon.name, wanted.get(addon.code, 0), addon.price) for addon in self.addons]
        return tuple(
            Item(code, name, count, model, self._price(model, count))
            for n, (code, name, count, model) in enumerate(parts)
            if count or not n
        )

    @property
    def is_free(self) -> bool:
        """Whether one unit costs nothing, neither now nor later."""
        return not self.charges and not any(fee.amount for fee in self.fees) and self.amount(1) == 0

    def _price(self, model: PricingModel, quantity: int) -> int:
        if quantity < 0:
            raise InvalidQuantity(f"a quantity of {quantity} has no price", field="quantity")
        return price(model, Decimal(quantity), self.currency)

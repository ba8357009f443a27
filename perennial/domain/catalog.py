"""The terms of a plan version in one currency. A subscription carries them with it and never reads the catalogue."""

from dataclasses import dataclass
from decimal import Decimal

from perennial.domain.calendar import Interval
from perennial.domain.dunning import DEFAULT_POLICY, DunningPolicy
from perennial.domain.errors import InvalidInput, InvalidQuantity
from perennial.domain.money import exponent
from perennial.domain.pricing import PricingModel, price
from perennial.domain.proration import ProrationBasis


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """A changed plan is a new version; who has subscribed keeps these terms until they change.

    Raises:
        UnknownCurrency: if the currency is none.
        InvalidInput: if a number of days is below zero.
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

    def __post_init__(self) -> None:
        exponent(self.currency)
        if self.trial_days < 0:
            raise InvalidInput(f"a trial of {self.trial_days} days has no length", field="trial_days")
        if self.reminder_days is not None and self.reminder_days < 1:
            raise InvalidInput("a reminder comes at least one day ahead", field="reminder_days")

    def amount(self, quantity: int) -> int:
        """Minor units of one whole period, discounts not taken off.

        Raises:
            InvalidQuantity: below zero, or beyond the last tier of the price.
        """
        if quantity < 0:
            raise InvalidQuantity(f"a quantity of {quantity} has no price", field="quantity")
        return price(self.price, Decimal(quantity), self.currency)

"""Coupons: what one takes off, for whom and how often. `docs/billing-rules/coupons.md` decides.

The refusals of a coupon stand here, beside the rules that they tell; their place in the tree is in `errors`.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from perennial.domain.errors import CommandRefused, InvalidInput
from perennial.domain.money import exponent
from perennial.domain.subscription.state import Discount


class CouponExhausted(CommandRefused):
    code: ClassVar[str] = "coupon_exhausted"

    def __init__(self, coupon: str) -> None:
        super().__init__(coupon, f"coupon {coupon!r} has been redeemed as often as it may be")


class CouponExpired(CommandRefused):
    code: ClassVar[str] = "coupon_expired"

    def __init__(self, coupon: str, at: datetime) -> None:
        super().__init__(coupon, f"coupon {coupon!r} expired on {at.isoformat()}")


class CouponArchived(CommandRefused):
    code: ClassVar[str] = "coupon_archived"

    def __init__(self, coupon: str) -> None:
        super().__init__(coupon, f"coupon {coupon!r} is archived and is not redeemed any more")


class FirstTimeOnly(CommandRefused):
    code: ClassVar[str] = "first_time_only"

    def __init__(self, coupon: str) -> None:
        super().__init__(coupon, f"coupon {coupon!r} is for customers who have not bought yet")


class AlreadyRedeemed(CommandRefused):
    code: ClassVar[str] = "already_redeemed"

    def __init__(self, coupon: str) -> None:
        super().__init__(coupon, f"the subscription has redeemed coupon {coupon!r} already")


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponTerms:
    """Either `percent_off`, or `amount_off` (minor units of `currency`) each period; for ever without a duration.

    `plans` (codes; none: every plan) are those that it is good for. Nobody redeems it from `expires_at` on, nor more
    than `max_redemptions` times; what is redeemed by then goes on.

    Raises:
        InvalidInput: naming the field that contradicts another one, or that can never be right.
    """

    code: str
    percent_off: Decimal | None = None
    amount_off: int | None = None
    currency: str | None = None
    duration_periods: int | None = None
    plans: tuple[str, ...] = ()
    first_time_only: bool = False
    combinable: bool = False
    max_redemptions: int | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        if (self.percent_off is None) == (self.amount_off is None):
            raise InvalidInput("a coupon takes a percentage or an amount off, and not both", field="percent_off")
        if self.percent_off is not None and not 0 < self.percent_off <= 100:  # noqa: PLR2004 - per cent
            raise InvalidInput("must be above 0 and at most 100", field="percent_off")
        if self.amount_off is not None and self.amount_off <= 0:
            raise InvalidInput("must be above 0", field="amount_off")
        if self.amount_off is not None:
            exponent(self.currency or "")
        elif self.currency is not None:
            raise InvalidInput("a percentage has no currency", field="currency")
        for name in ("duration_periods", "max_redemptions"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidInput("must be at least 1", field=name)
        if len(set(self.plans)) < len(self.plans):
            raise InvalidInput("names a plan twice", field="plans")

    @property
    def discount(self) -> Discount:
        return Discount(
            self.code,
            percent=self.percent_off,
            amount=self.amount_off,
            periods_left=self.duration_periods,
            plans=self.plans,
            combinable=self.combinable,
        )

    def check_fits(self, plan: str, currency: str) -> None:
        """What no waiting would change.

        Raises:
            InvalidInput: it is in another currency, or not for this plan.
        """
        if self.currency not in (None, currency):
            raise InvalidInput(f"coupon {self.code!r} is in {self.currency}", field="coupon")
        if self.plans and plan not in self.plans:
            raise InvalidInput(f"coupon {self.code!r} is not for plan {plan!r}", field="coupon")

    def check_time(self, at: datetime) -> None:
        """Raises CouponExpired from the instant of its expiry on."""
        if self.expires_at is not None and at >= self.expires_at:
            raise CouponExpired(self.code, self.expires_at)

"""What a quantity costs.

All figures of a model are exact decimals in major units (a unit price may be a fraction of a cent), and `price` rounds
once, at the end of the line. The models stand in `pricing_models.py`; `pricing_forms.py` reads the JSON that people
write. `docs/billing-rules/pricing.md` decides the edges.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import assert_never

from perennial.domain.errors import InvalidQuantity
from perennial.domain.money import to_minor
from perennial.domain.pricing_forms import pricing_data, pricing_model
from perennial.domain.pricing_models import (
    Commitment,
    Flat,
    Graduated,
    GraduatedPercentage,
    Package,
    PackageGraduated,
    PackageTier,
    PackageVolume,
    Percentage,
    PercentTier,
    PerUnit,
    PricingModel,
    Tier,
    Volume,
)

__all__ = [
    "Commitment",
    "Flat",
    "Graduated",
    "GraduatedPercentage",
    "Package",
    "PackageGraduated",
    "PackageTier",
    "PackageVolume",
    "PerUnit",
    "PercentTier",
    "Percentage",
    "PricingModel",
    "Tier",
    "Volume",
    "price",
    "pricing_data",
    "pricing_model",
]

_NOTHING = Decimal(0)
_Row = tuple[Decimal | None, Fraction, Decimal]
"""A tier's inclusive end, the price of one of its units, its fee."""


def price(model: PricingModel, quantity: Decimal, currency: str, events: Sequence[Decimal] = ()) -> int:
    """What a quantity costs, in minor units of the currency, rounded once.

    Args:
        model: how it is priced.
        quantity: units, which may be fractions; an amount in major units for `graduated_percentage`.
        currency: ISO 4217 code.
        events: amounts in major units in their order, for `percentage` alone; without any, the quantity is one event.

    Raises:
        InvalidQuantity: below zero, or beyond the last tier.
        UnknownCurrency: if the currency is none.
    """
    if not quantity.is_finite() or quantity < 0 or any(not event.is_finite() or event < 0 for event in events):
        raise InvalidQuantity(f"a quantity of {quantity} has no price", field="quantity")
    exact = _exact(model, Fraction(quantity), [Fraction(event) for event in events])
    if model.minimum_amount is not None:
        exact = max(exact, Fraction(model.minimum_amount))
    return to_minor(exact, currency)


def _exact(model: PricingModel, quantity: Fraction, events: Sequence[Fraction]) -> Fraction:  # noqa: C901 - one case each
    """The price in major units, unrounded."""
    match model:
        case Flat():
            return Fraction(model.amount)
        case PerUnit():
            return max(quantity - Fraction(model.free_units), Fraction(0)) * Fraction(model.unit_price)
        case Graduated():
            return _by_slices(quantity, [(t.up_to, Fraction(t.unit_price), t.flat_fee) for t in model.tiers])
        case Volume():
            return _by_volume(quantity, [(t.up_to, Fraction(t.unit_price), t.flat_fee) for t in model.tiers])
        case Package():
            started = _packages(quantity - Fraction(model.free_units), model.package_size)
            return started * Fraction(model.package_price)
        case PackageGraduated():
            started = _packages(quantity, model.package_size)
            return _by_slices(started, [(t.up_to, Fraction(t.package_price), _NOTHING) for t in model.tiers])
        case PackageVolume():
            started = _packages(quantity, model.package_size)
            return _by_volume(started, [(t.up_to, Fraction(t.package_price), _NOTHING) for t in model.tiers])
        case Percentage():
            return _by_events(model, events or ([quantity] if quantity else []))
        case GraduatedPercentage():
            return _by_slices(quantity, [(t.up_to, Fraction(t.rate_percent) / 100, t.flat_fee) for t in model.tiers])
        case Commitment():
            return _committed(model, quantity)
        case _:
            assert_never(model)


def _by_slices(quantity: Fraction, rows: Sequence[_Row]) -> Fraction:
    total, reached = Fraction(0), Fraction(0)
    for up_to, unit_price, fee in rows:
        if quantity <= reached:
            return total
        end = quantity if up_to is None else min(quantity, Fraction(up_to))
        total += (end - reached) * unit_price + Fraction(fee)
        reached = end
    if quantity > reached:
        raise _beyond(rows)
    return total


def _by_volume(quantity: Fraction, rows: Sequence[_Row]) -> Fraction:
    if not quantity:
        return Fraction(0)  # no tier holds a quantity of zero, so none asks its fee
    for up_to, unit_price, fee in rows:
        if up_to is None or quantity <= Fraction(up_to):
            return quantity * unit_price + Fraction(fee)
    raise _beyond(rows)


def _beyond(rows: Sequence[_Row]) -> InvalidQuantity:
    return InvalidQuantity(f"the last tier ends at {rows[-1][0]}: there is no price beyond it", field="quantity")


def _packages(quantity: Fraction, size: Decimal) -> Fraction:
    """Started packages: a fraction of a unit opens one."""
    return Fraction(max(-(-quantity // Fraction(size)), 0))


def _by_events(model: Percentage, events: Sequence[Fraction]) -> Fraction:
    rate, fee = Fraction(model.rate_percent) / 100, Fraction(model.fixed_fee)
    limited = model.free_events is not None or model.free_amount is not None
    free, total, used = limited, Fraction(0), Fraction(0)
    for n, event in enumerate(events):
        if model.free_events is not None and n >= model.free_events:
            free = False
        if not free:
            total += event * rate + fee
            continue
        used += event
        if model.free_amount is not None and used > model.free_amount:
            # This event passes the allowance: its excess is charged, and so is everything after it.
            free = False
            total += (used - Fraction(model.free_amount)) * rate + fee
    return total


def _committed(model: Commitment, quantity: Fraction) -> Fraction:
    usage, commitment = quantity * Fraction(model.unit_price), Fraction(model.commitment_amount)
    if usage <= commitment:
        return commitment if model.true_up else usage
    return commitment + (usage - commitment) * Fraction(model.overage_factor)

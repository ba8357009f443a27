"""How a price comes about, as rows: which part of a quantity was charged at what. Exact, in major units, unrounded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from perennial.domain.errors import InvalidInput
from perennial.domain.money import to_minor
from perennial.domain.pricing import (
    Commitment,
    Flat,
    Graduated,
    GraduatedPercentage,
    Package,
    PackageGraduated,
    PackageVolume,
    Percentage,
    PerUnit,
    PricingModel,
    Volume,
    price,
)

_NOTHING = Decimal(0)


class Rate(StrEnum):
    """What the rate of a row is a price of."""

    UNIT = "unit"
    PACKAGE = "package"
    PERCENT = "percent"
    """The quantity is an amount of money, the rate a percentage of it."""
    INCLUDED = "included"
    """Free of charge."""
    FEE = "fee"
    """An amount whatever the quantity."""
    COMMITMENT = "commitment"
    MINIMUM = "minimum"


@dataclass(frozen=True, slots=True)
class TierRow:
    """`quantity` at `rate`. `reach` is the tier's last unit (or package), None where it has no end or there are no
    tiers; `start` its first.
    """

    kind: Rate
    quantity: Decimal
    rate: Decimal
    start: Decimal | None = None
    reach: Decimal | None = None

    @property
    def amount(self) -> Decimal:
        """What the row comes to."""
        return self.quantity * self.rate / (100 if self.kind is Rate.PERCENT else 1)


def unit_price(model: PricingModel | None, quantity: Decimal, amount: int, currency: str) -> Decimal | None:
    """The one price of every unit, if the amount is just that many of it; major units."""
    match model:
        case PerUnit(free_units=free, unit_price=each) if not free and _explains(model, quantity, amount, currency):
            # Where a minimum is charged instead, the price of a unit is not the reason.
            return each if to_minor(Fraction(each * quantity), currency) == amount else None
        case Flat(amount=each) if quantity == 1 and _explains(model, quantity, amount, currency):
            return each
    return None


def breakdown(model: PricingModel | None, quantity: Decimal, amount: int, currency: str) -> tuple[TierRow, ...]:
    """The rows of a line of `amount` minor units; none where one price says it all.

    Nor where the model alone does not come to the amount: a prorated line, or percentages of single events.
    """
    if model is None or isinstance(model, Flat) or not _explains(model, quantity, amount, currency):
        return ()
    rows = tuple(_rows(model, quantity))
    if model.minimum_amount is not None and _sum(rows) < model.minimum_amount:
        rows += (TierRow(Rate.MINIMUM, Decimal(1), model.minimum_amount),)
    return rows


def _explains(model: PricingModel, quantity: Decimal, amount: int, currency: str) -> bool:
    try:
        return price(model, quantity, currency) == amount
    except InvalidInput:
        return False


def _sum(rows: Sequence[TierRow]) -> Decimal:
    return sum((row.amount for row in rows), _NOTHING)


def _rows(model: PricingModel, quantity: Decimal) -> Iterator[TierRow]:  # noqa: C901 - one case each
    match model:
        case PerUnit(free_units=free) if free:
            yield from _beyond_free(Rate.UNIT, quantity, free, model.unit_price)
        case Graduated():
            tiers = [(t.up_to, t.unit_price, t.flat_fee) for t in model.tiers]
            yield from _slices(Rate.UNIT, quantity, tiers)
        case GraduatedPercentage():
            tiers = [(t.up_to, t.rate_percent, t.flat_fee) for t in model.tiers]
            yield from _slices(Rate.PERCENT, quantity, tiers)
        case PackageGraduated():
            tiers = [(t.up_to, t.package_price, _NOTHING) for t in model.tiers]
            yield from _slices(Rate.PACKAGE, _packages(quantity, model.package_size), tiers)
        case Volume():
            yield from _reached(Rate.UNIT, quantity, [(t.up_to, t.unit_price, t.flat_fee) for t in model.tiers])
        case PackageVolume():
            tiers = [(t.up_to, t.package_price, _NOTHING) for t in model.tiers]
            yield from _reached(Rate.PACKAGE, _packages(quantity, model.package_size), tiers)
        case Package():
            free = min(model.free_units, quantity)
            if free:
                yield TierRow(Rate.INCLUDED, free, _NOTHING)
            if packages := _packages(quantity - model.free_units, model.package_size):
                yield TierRow(Rate.PACKAGE, packages, model.package_price)
        case Percentage(free_events=None, free_amount=None):
            yield TierRow(Rate.PERCENT, quantity, model.rate_percent)
            if quantity and model.fixed_fee:
                yield TierRow(Rate.FEE, Decimal(1), model.fixed_fee)
        case Commitment():
            yield from _committed(model, quantity)


def _beyond_free(kind: Rate, quantity: Decimal, free: Decimal, each: Decimal) -> Iterator[TierRow]:
    yield TierRow(Rate.INCLUDED, min(free, quantity), _NOTHING)
    if quantity > free:
        yield TierRow(kind, quantity - free, each)


def _slices(
    kind: Rate, quantity: Decimal, tiers: Sequence[tuple[Decimal | None, Decimal, Decimal]]
) -> Iterator[TierRow]:
    reached = _NOTHING
    for up_to, each, fee in tiers:
        if quantity <= reached:
            return
        end = quantity if up_to is None else min(quantity, up_to)
        yield TierRow(kind if each else Rate.INCLUDED, end - reached, each, reached, up_to)
        if fee:
            yield TierRow(Rate.FEE, Decimal(1), fee)
        reached = end


def _reached(
    kind: Rate, quantity: Decimal, tiers: Sequence[tuple[Decimal | None, Decimal, Decimal]]
) -> Iterator[TierRow]:
    start = _NOTHING
    for up_to, each, fee in tiers:
        if up_to is None or quantity <= up_to:
            if quantity:
                yield TierRow(kind, quantity, each, start, up_to)
                if fee:
                    yield TierRow(Rate.FEE, Decimal(1), fee)
            return
        start = up_to


def _packages(quantity: Decimal, size: Decimal) -> Decimal:
    return Decimal(max(-(-Fraction(quantity) // Fraction(size)), 0))


def _committed(model: Commitment, quantity: Decimal) -> Iterator[TierRow]:
    used = quantity * model.unit_price
    if used <= model.commitment_amount and not model.true_up:
        yield TierRow(Rate.UNIT, quantity, model.unit_price)
        return
    yield TierRow(Rate.COMMITMENT, Decimal(1), model.commitment_amount)
    if used > model.commitment_amount:
        beyond = used - model.commitment_amount
        yield TierRow(Rate.PERCENT, beyond, model.overage_factor * 100)

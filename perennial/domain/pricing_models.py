"""The pricing models: frozen dataclasses, exact decimals in major units of the price's currency.

`type` comes first and tells a model from its siblings, so that any JSON reader that knows tagged unions can carry it.
`minimum_amount` may stand on each: the line costs at least that.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Tier:
    """Up to and including `up_to` units; None means no end. A fraction above `up_to` belongs to the next tier."""

    up_to: Decimal | None
    unit_price: Decimal = _NOTHING
    flat_fee: Decimal = _NOTHING


@dataclass(frozen=True, slots=True)
class PackageTier:
    """`up_to` counts packages."""

    up_to: Decimal | None
    package_price: Decimal


@dataclass(frozen=True, slots=True)
class PercentTier:
    """`up_to` is an amount in major units."""

    up_to: Decimal | None
    rate_percent: Decimal = _NOTHING
    flat_fee: Decimal = _NOTHING


@dataclass(frozen=True, slots=True)
class Flat:
    """The amount, whatever the quantity."""

    type: Literal["flat"] = field(default="flat", kw_only=True)
    amount: Decimal
    minimum_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Each unit beyond the free ones at one price."""

    type: Literal["per_unit"] = field(default="per_unit", kw_only=True)
    unit_price: Decimal
    free_units: Decimal = _NOTHING
    minimum_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Graduated:
    """Each slice at its own price, plus the flat fee of every tier that holds some quantity."""

    type: Literal["graduated"] = field(default="graduated", kw_only=True)
    tiers: tuple[Tier, ...]
    minimum_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """The whole quantity at the price of the tier it falls in, plus that tier's flat fee."""

    type: Literal["volume"] = field(default="volume", kw_only=True)
    tiers: tuple[Tier, ...]
    minimum_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """Started packages, after the free units."""

    type: Literal["package"] = field(default="package", kw_only=True)
    package_size: Decimal
    package_price: Decimal
    free_units: Decimal = _NOTHING
    minimum_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PackageGraduated:
    """Started packages, each slice of them at its own price."""

    type: Literal["package_graduated"] = field(default="package_graduated", kw_only=True)
    package_size: Decimal
    tiers: tuple[PackageTier, ...]
    minimum_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PackageVolume:
    """Started packages, all of them at the price of the tier that their number falls in."""

    type: Literal["package_volume"] = field(default="package_volume", kw_only=True)
    package_size: Decimal
    tiers: tuple[PackageTier, ...]
    minimum_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Percentage:
    """Percent of each paid event plus a fee. Events are free until either allowance is used up."""

    type: Literal["percentage"] = field(default="percentage", kw_only=True)
    rate_percent: Decimal
    fixed_fee: Decimal = _NOTHING
    free_events: int | None = None
    free_amount: Decimal | None = None
    minimum_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class GraduatedPercentage:
    """The quantity is an amount in major units: slices by percent, plus the fee of every tier reached."""

    type: Literal["graduated_percentage"] = field(default="graduated_percentage", kw_only=True)
    tiers: tuple[PercentTier, ...]
    minimum_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Commitment:
    """Up to the commitment the usage (or the commitment, with `true_up`); beyond it the excess times the factor."""

    type: Literal["commitment"] = field(default="commitment", kw_only=True)
    unit_price: Decimal
    commitment_amount: Decimal
    overage_factor: Decimal = Decimal(1)
    true_up: bool = False
    minimum_amount: Decimal | None = None


PricingModel = (
    Flat
    | PerUnit
    | Graduated
    | Volume
    | Package
    | PackageGraduated
    | PackageVolume
    | Percentage
    | GraduatedPercentage
    | Commitment
)

"""Taxes as an invoice sees them: which rates apply to a sale, by whose law, and why.

Pure. The rates themselves are dated data (`perennial.tax`); who sells to whom comes from the records.
`perennial.domain.taxation` decides.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class TaxCategory(StrEnum):
    """The codes of EN 16931 (UNCL 5305)."""

    STANDARD = "S"
    ZERO = "Z"
    EXEMPT = "E"
    REVERSE_CHARGE = "AE"
    EXPORT = "G"
    OUTSIDE_SCOPE = "O"


@dataclass(frozen=True, slots=True)
class TaxRate:
    """One tax on one invoice. `percent` of the net amount; `reason` says why nothing is charged, if nothing is.

    `jurisdiction` is where it is owed: `DE`, `CA-BC`.
    """

    jurisdiction: str
    name: str
    percent: Decimal
    category: TaxCategory = TaxCategory.STANDARD
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DatedRate:
    """What the law of a place says from `valid_from` (included) to `valid_to` (excluded; None: until it changes).

    A region's rates come on top of its country's, unless one is `combined`: it holds the country's own, as Canadian
    HST and the lower rates of Madeira do. `source` is where the rate can be read.
    """

    country: str
    region: str | None
    name: str
    percent: Decimal
    valid_from: date
    valid_to: date | None = None
    source: str = ""
    combined: bool = False

    def holds(self, on: date) -> bool:
        return self.valid_from <= on and (self.valid_to is None or on < self.valid_to)

    @property
    def jurisdiction(self) -> str:
        return f"{self.country}-{self.region}" if self.region else self.country


@dataclass(frozen=True, slots=True)
class Registration:
    """The seller collects tax here, under this number, from that day on.

    The country `EU` is the One-Stop-Shop: consumers in the whole Union.
    """

    country: str
    region: str | None = None
    number: str | None = None
    since: date | None = None


@dataclass(frozen=True, slots=True)
class TaxSeller:
    country: str | None
    region: str | None = None
    registrations: tuple[Registration, ...] = ()


@dataclass(frozen=True, slots=True)
class TaxCustomer:
    """`vat_number` is one that was found valid; without it a customer counts as a consumer."""

    country: str | None
    region: str | None = None
    postal_code: str | None = None
    vat_number: str | None = None
    exempt: bool = False


@dataclass(frozen=True, slots=True)
class Sale:
    """What a tax calculator is asked. `on` is the day of the invoice where the seller is.

    `own_rates` are the merchant's, which come before what a calculator knows of the same place.
    """

    seller: TaxSeller
    customer: TaxCustomer
    on: date
    currency: str
    own_rates: tuple[DatedRate, ...] = ()

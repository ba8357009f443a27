"""Taxes as an invoice sees them: which rates apply to a sale, by whose law, and why.

Pure. The rates themselves are dated data (`perennial.tax`); who sells to whom comes from the records.
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
class Registration:
    """The seller collects tax here, under this number, from that day on."""

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
    """What a tax calculator is asked. `on` is the day of the invoice where the seller is."""

    seller: TaxSeller
    customer: TaxCustomer
    on: date
    currency: str

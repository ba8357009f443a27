"""What stands on an invoice or credit note, as facts: no rows, no words, no layout.

The PDF, the HTML page and the e-invoice are made from the same `Document`. Amounts are minor units of `currency`, days
are civil dates (of the seller for the document, of the customer for what was delivered).
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from perennial.domain.errors import CommandRefused
from perennial.domain.money import exponent
from perennial.domain.pricing import PricingModel
from perennial.domain.tax import TaxCategory


class Kind(StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class DocumentIncomplete(CommandRefused):
    """The e-invoice asks for what nobody has entered; `missing` names it (`seller.vat_number`)."""

    code = "document_incomplete"

    def __init__(self, document: str, missing: tuple[str, ...]) -> None:
        super().__init__(document, f"an e-invoice needs {', '.join(missing)}")
        self.missing = missing


class NoEInvoice(CommandRefused):
    """EN 16931 has no words for this document; the PDF carries everything."""

    code = "no_e_invoice"

    def __init__(self, document: str, reason: str) -> None:
        super().__init__(document, f"this document cannot be an e-invoice of EN 16931: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Party:
    """Who sells or buys, as it was when the document was issued. `country` is ISO 3166-1 alpha-2."""

    name: str
    company: str | None = None
    address_line1: str | None = None
    address_line2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    email: str | None = None
    phone: str | None = None
    website: str | None = None
    vat_number: str | None = None
    register_number: str | None = None
    iban: str | None = None
    bic: str | None = None

    @property
    def legal_name(self) -> str:
        return self.company or self.name


@dataclass(frozen=True, slots=True)
class Days:
    """A stretch of service. Both days belong to it."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class LineDiscount:
    coupon: str
    amount: int


@dataclass(frozen=True, slots=True)
class Line:
    """`amount` as priced, `discounts` taken off it, `net` and `tax` what is left of it without and as tax.

    `taxes`: positions in the document's taxes. `price` is what `quantity` was priced with, where that is known.
    """

    description: str
    quantity: Decimal
    amount: int
    net: int
    tax: int = 0
    taxes: tuple[int, ...] = ()
    days: Days | None = None
    price: PricingModel | None = None
    discounts: tuple[LineDiscount, ...] = ()
    tax_inclusive: bool = False

    @property
    def discount(self) -> int:
        return sum(part.amount for part in self.discounts)

    @property
    def total(self) -> int:
        return self.net + self.tax


@dataclass(frozen=True, slots=True)
class Tax:
    """`base` is the net amount that the tax is taken of; `reason` says why nothing is charged."""

    name: str
    jurisdiction: str
    percent: Decimal
    category: TaxCategory
    base: int
    amount: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Discount:
    """What a coupon took off the document, and how much of it found nothing to be taken off."""

    coupon: str
    amount: int
    unused: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """How money moves. An invoice: `status` open, paid, void or uncollectible; `sent` to be paid by transfer, or else
    collected by the payment method. A credit note: what was `refunded` and what was `credited` to the balance.
    """

    status: str
    sent: bool = False
    closed: date | None = None
    refunded: int = 0
    credited: int = 0


@dataclass(frozen=True, slots=True)
class Corrected:
    """An invoice that a credit note takes back from."""

    number: str
    issued: date


@dataclass(frozen=True, slots=True)
class Document:
    """`total` = `net` + `tax`; `amount_due` is what is left after `credit_applied`. `id` is that of the row.

    `locale` is a BCP 47 tag. `logo` is a PNG or SVG.
    """

    id: str
    kind: Kind
    number: str
    issued: date
    seller: Party
    buyer: Party
    currency: str
    lines: tuple[Line, ...]
    subtotal: int
    discount: int
    net: int
    tax: int
    total: int
    credit_applied: int
    amount_due: int
    settlement: Settlement
    taxes: tuple[Tax, ...] = ()
    discounts: tuple[Discount, ...] = ()
    due: date | None = None
    days: Days | None = None
    corrects: tuple[Corrected, ...] = ()
    memo: str | None = None
    footer: str | None = None
    locale: str = "en"
    logo: bytes | None = None

    def __post_init__(self) -> None:
        exponent(self.currency)

    @property
    def prices_hold_tax(self) -> bool:
        """Whether every line is priced with its tax: then the amounts of the lines are shown with it."""
        return bool(self.lines) and self.tax != 0 and all(line.tax_inclusive for line in self.lines)

    @property
    def mixes_prices(self) -> bool:
        """Whether some lines are priced with their tax and others without: then all amounts are shown without."""
        return not self.prices_hold_tax and any(line.tax_inclusive and line.tax for line in self.lines)

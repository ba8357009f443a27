"""Documents as the engine assesses them, and a merchant and a customer who are complete."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from perennial.documents.document import (
    Corrected,
    Days,
    Discount,
    Document,
    Kind,
    Line,
    LineDiscount,
    Party,
    Settlement,
    Tax,
)
from perennial.domain.assessment import assess
from perennial.domain.calendar import Period
from perennial.domain.invoice import TaxRounding
from perennial.domain.pricing import Flat, Graduated, PerUnit, PricingModel, Tier
from perennial.domain.subscription.effects import Line as Priced
from perennial.domain.subscription.effects import LineDiscount as Off
from perennial.domain.subscription.effects import LineKind
from perennial.domain.tax import TaxCategory, TaxRate

SELLER = Party(
    "Perennial Gardens GmbH",
    address_line1="Lindenstraße 12",
    postal_code="10969",
    city="Berlin",
    country="DE",
    email="billing@gardens.example",
    phone="+49 30 1234567",
    website="gardens.example",
    vat_number="DE123456788",
    register_number="HRB 12345 B",
    iban="DE02120300000000202051",
    bic="BYLADEM1001",
)
BUYER = Party(
    "Ada Lovelace",
    company="Analytical Engines SAS",
    address_line1="12 rue de la Paix",
    postal_code="75002",
    city="Paris",
    country="FR",
    email="ada@engines.example",
    vat_number="FR40303265045",
)
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="10"><rect width="40" height="10"/></svg>'
PERIOD = Period(datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC))
JANUARY = Days(date(2026, 1, 31), date(2026, 2, 27))
VAT = TaxRate("DE", "VAT", Decimal(19))
TIERS = Graduated(
    tiers=(Tier(Decimal(10_000)), Tier(Decimal(50_000), Decimal("0.002")), Tier(None, Decimal("0.00195"), Decimal(5)))
)


def rate(category: TaxCategory, percent: str = "0", reason: str = "") -> TaxRate:
    return TaxRate("DE", "VAT", Decimal(percent), category, reason)


def priced(
    amount: int,
    description: str = "Premium plan",
    *,
    quantity: str = "1",
    price: PricingModel | None = None,
    off: Sequence[tuple[str, int]] = (),
    inclusive: bool = False,
) -> Priced:
    return Priced(
        LineKind.PLAN,
        description,
        Decimal(quantity),
        amount,
        PERIOD,
        discounts=tuple(Off(coupon, part) for coupon, part in off),
        price=price,
        tax_inclusive=inclusive,
    )


def ordinary() -> list[Priced]:
    """A plan with a coupon, seats, tiers, and something that is taken back."""
    return [
        priced(9_900, price=Flat(amount=Decimal(99)), off=[("LAUNCH20", 1_980)]),
        priced(14_400, "Seats", quantity="12", price=PerUnit(unit_price=Decimal(12))),
        priced(23_798, "API calls", quantity="128450", price=TIERS),
        priced(-1_250, "Unused time on Basic plan"),
    ]


def document(
    lines: Sequence[Priced] | None = None,
    rates: Sequence[TaxRate] = (VAT,),
    *,
    rounding: TaxRounding = TaxRounding.INVOICE,
    credit: int = 0,
    **fields: Any,
) -> Document:
    """An open invoice, sent to be paid by transfer."""
    result = assess(ordinary() if lines is None else lines, rates, rounding)
    coupons = dict.fromkeys(part.coupon for each in result.lines for part in each.line.discounts)
    offs = [part for each in result.lines for part in each.line.discounts]
    known: dict[str, Any] = {
        "id": "inv_1",
        "kind": Kind.INVOICE,
        "number": "INV-2026-0042",
        "issued": date(2026, 1, 31),
        "due": date(2026, 3, 2),
        "seller": SELLER,
        "buyer": BUYER,
        "currency": "EUR",
        "lines": tuple(
            Line(
                each.line.description,
                each.line.quantity,
                each.line.amount,
                each.net,
                each.tax,
                tuple(position for position, _ in each.taxes),
                JANUARY,
                each.line.price,
                tuple(LineDiscount(part.coupon, part.amount) for part in each.line.discounts),
                each.line.tax_inclusive,
            )
            for each in result.lines
        ),
        "taxes": tuple(
            Tax(
                of.rate.name,
                of.rate.jurisdiction,
                of.rate.percent,
                of.rate.category,
                of.base,
                of.amount,
                of.rate.reason,
            )
            for of in result.taxes
        ),
        "discounts": tuple(
            Discount(name, sum(part.amount for part in offs if part.coupon == name)) for name in coupons
        ),
        "subtotal": result.subtotal,
        "discount": result.discount,
        "net": result.net,
        "tax": result.tax,
        "total": result.total,
        "credit_applied": credit,
        "amount_due": result.total - credit,
        "settlement": Settlement("open", sent=True),
        "days": JANUARY,
        "locale": "en-GB",
    }
    return Document(**known | fields)


def credit_note(lines: Sequence[Priced] | None = None, rates: Sequence[TaxRate] = (VAT,), **fields: Any) -> Document:
    made = document([priced(5_000)] if lines is None else lines, rates)
    return replace(
        made,
        **{
            "id": "cn_1",
            "kind": Kind.CREDIT_NOTE,
            "number": "CN-2026-0007",
            "due": None,
            "settlement": Settlement("issued", refunded=made.total - 100, credited=100),
            "corrects": (Corrected("INV-2026-0042", date(2026, 1, 31)),),
        }
        | fields,
    )

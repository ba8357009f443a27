"""invoice.json: totals, allocation and credit notes."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from perennial.domain.invoice import (
    CreditedLine,
    InvoiceCredit,
    InvoiceDiscount,
    InvoiceLine,
    InvoiceTax,
    TaxRounding,
    credit_note_totals,
    invoice_totals,
)
from perennial.domain.money import allocate, exponent
from tests.conformance.schema import Kind, Malformed


def totals(case: dict[str, Any]) -> dict[str, Any]:
    exponent(case["currency"])
    found = invoice_totals(
        [InvoiceLine(line["id"], line["amount"]) for line in case["lines"]],
        discounts=[_discount(discount) for discount in case["discounts"]],
        taxes=[_tax(tax) for tax in case["taxes"]],
        tax_rounding=TaxRounding(case["tax_rounding"]),
        credits_available=[InvoiceCredit(credit["id"], credit["amount"]) for credit in case["credits"]],
    )
    return _like(found, case["expect"])


def shares(case: dict[str, Any]) -> dict[str, Any]:
    exponent(case["currency"])
    return {"shares": list(allocate(case["total"], case["weights"]))}


def credit_note(case: dict[str, Any]) -> dict[str, Any]:
    exponent(case["currency"])
    lines = [CreditedLine(line["id"], line["full_amount"], Fraction(line["share"])) for line in case["lines"]]
    return _like(credit_note_totals(lines, [_tax(tax) for tax in case["taxes"]]), case["expect"])


def _discount(data: dict[str, Any]) -> InvoiceDiscount:
    figure = {"percent": "percent", "fixed": "amount"}[data["type"]]
    where = {"line": {"line_id"}, "invoice": set()}[data["scope"]]
    if data.keys() != {"id", "scope", "type", figure, *where}:
        raise Malformed(f"discount {data} contradicts itself")
    percent = Decimal(data["percent"]) if "percent" in data else None
    return InvoiceDiscount(data["id"], percent=percent, amount=data.get("amount"), line_id=data.get("line_id"))


def _tax(data: dict[str, Any]) -> InvoiceTax:
    line_ids = frozenset(data["line_ids"]) if "line_ids" in data else None
    return InvoiceTax(data["id"], Decimal(data["percent"]), line_ids)


def _like(found: object, expect: dict[str, Any]) -> dict[str, Any]:
    """The engine tells more (which discount made up which part of a line): keep the keys that the vectors speak of."""
    kept: dict[str, Any] = {}
    for key, value in expect.items():
        part = getattr(found, key)
        template = value[0] if isinstance(value, list) and value else {}
        kept[key] = [_like(item, template) for item in part] if isinstance(value, list) else part
    return kept


_TAX = {"id": str, "percent": str, "line_ids?": [str]}
_PART = {"id": str, "amount": int}

KINDS = {
    "invoice": Kind(
        fields={
            "currency": str,
            "rounding_rule": str,
            "tax_rounding": str,
            "lines": [{"id": str, "amount": int}],
            "discounts": [
                {"id": str, "scope": str, "type": str, "percent?": str, "amount?": int, "line_id?": str},
            ],
            "taxes": [_TAX],
            "credits": [{"id": str, "type": str, "amount": int}],
            "expect": {
                "subtotal": int,
                "discount": int,
                "taxable": int,
                "tax": int,
                "total": int,
                "amount_due": int,
                "taxes": [_PART],
                "credits_applied": [_PART],
                "lines": [
                    {"id": str, "amount": int, "discount": int, "taxable": int, "tax": int, "total": int},
                ],
            },
        },
        run=totals,
    ),
    "allocation": Kind(
        fields={
            "currency": str,
            "rounding_rule": str,
            "total": int,
            "weights": [int],
            "expect": {"shares": [int]},
        },
        run=shares,
    ),
    "credit_note": Kind(
        fields={
            "currency": str,
            "rounding_rule": str,
            "lines": [{"id": str, "full_amount": int, "share": str}],
            "taxes": [_TAX],
            "expect": {
                "credit": int,
                "tax": int,
                "total": int,
                "lines": [{"id": str, "credit": int, "tax": int, "total": int}],
            },
        },
        run=credit_note,
    ),
}

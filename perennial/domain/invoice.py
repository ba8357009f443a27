"""The arithmetic of an invoice: discounts, then taxes, then credits; and of a credit note against it.

Amounts are minor units of one currency, percentages exact decimals. Each figure is rounded once, half away from zero;
what is rounded on a whole is shared over the lines by largest remainder, so that parts always sum to the whole.
`docs/billing-rules/invoices.md` decides the order of work and its edges.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from perennial.domain.errors import InvalidInvoice
from perennial.domain.money import allocate, apportion, round_half_away


class TaxRounding(StrEnum):
    """Where tax is rounded."""

    LINE = "line"
    """Each line and each tax, then summed."""
    INVOICE = "invoice"
    """Each tax once on the whole, then shared over the lines."""


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A negative amount is a credit, such as the unused rest of an old plan."""

    id: str
    amount: int


@dataclass(frozen=True, slots=True)
class InvoiceDiscount:
    """Either `percent` or `amount` (minor units); of the line `line_id`, or of the whole invoice without one.

    Raises:
        InvalidInvoice: if it has both or neither, or is below zero or above a hundred percent.
    """

    id: str
    percent: Decimal | None = None
    amount: int | None = None
    line_id: str | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.amount is None):
            raise InvalidInvoice(f"discount {self.id} must have a percentage or an amount", field="discounts")
        if (self.amount or 0) < 0 or not 0 <= (self.percent or 0) <= 100:  # noqa: PLR2004 - percent
            raise InvalidInvoice(f"discount {self.id} must be from zero to the whole", field="discounts")

    def off(self, base: int) -> int:
        """At most the base; the rest of a fixed amount is lost."""
        if self.percent is not None:
            return _percent_of(base, self.percent)
        return min(base, self.amount or 0)


@dataclass(frozen=True, slots=True)
class InvoiceTax:
    """`line_ids` limits it to those lines; None means all."""

    id: str
    percent: Decimal
    line_ids: frozenset[str] | None = None

    def applies_to(self, line_id: str) -> bool:
        return self.line_ids is None or line_id in self.line_ids


@dataclass(frozen=True, slots=True)
class InvoiceCredit:
    """A credit note's rest, a wallet or a balance: minor units that may be used up."""

    id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Part:
    """How much of a discount, tax or credit there is, in minor units."""

    id: str
    amount: int


@dataclass(frozen=True, slots=True)
class LineTotals:
    """`taxable` = amount - discount, `total` = taxable + tax; `discounts` and `taxes` say which make them up."""

    id: str
    amount: int
    discount: int
    taxable: int
    tax: int
    total: int
    discounts: tuple[Part, ...]
    taxes: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class InvoiceTotals:
    """Every figure is the sum of its lines. `total` is before credits, `amount_due` after them."""

    subtotal: int
    discount: int
    taxable: int
    tax: int
    total: int
    amount_due: int
    lines: tuple[LineTotals, ...]
    discounts: tuple[Part, ...]
    taxes: tuple[Part, ...]
    credits_applied: tuple[Part, ...]


def invoice_totals(
    lines: Sequence[InvoiceLine],
    *,
    discounts: Sequence[InvoiceDiscount] = (),
    taxes: Sequence[InvoiceTax] = (),
    tax_rounding: TaxRounding = TaxRounding.LINE,
    credits_available: Sequence[InvoiceCredit] = (),
) -> InvoiceTotals:
    """Discounts in their order, those of a line first; taxes on what is left, never on another tax; credits last.

    Raises:
        InvalidInvoice: if two parts have one id, or one names a line that does not exist.
    """
    _check(lines, discounts, taxes, credits_available)
    off = _discounts(lines, discounts)
    taxable = {line.id: line.amount - sum(part.amount for part in off[line.id]) for line in lines}
    taxed = _taxes(taxable, taxes, tax_rounding)
    rows = tuple(_line(line.id, line.amount, off[line.id], taxed[line.id]) for line in lines)
    total = sum(row.total for row in rows)
    applied = _credits(total, credits_available)
    return InvoiceTotals(
        subtotal=sum(row.amount for row in rows),
        discount=sum(row.discount for row in rows),
        taxable=sum(row.taxable for row in rows),
        tax=sum(row.tax for row in rows),
        total=total,
        amount_due=total - sum(part.amount for part in applied),
        lines=rows,
        discounts=_sums((d.id for d in discounts), (row.discounts for row in rows)),
        taxes=_sums((t.id for t in taxes), (row.taxes for row in rows)),
        credits_applied=applied,
    )


def _discounts(lines: Sequence[InvoiceLine], discounts: Sequence[InvoiceDiscount]) -> dict[str, tuple[Part, ...]]:
    off: dict[str, tuple[Part, ...]] = {line.id: () for line in lines}
    # What is left to discount. A negative line is a credit for something that was discounted when it was charged.
    left = {line.id: max(line.amount, 0) for line in lines}
    for discount in sorted(discounts, key=lambda d: d.line_id is None):
        shared = [discount.line_id] if discount.line_id else list(left)
        whole = discount.off(sum(left[line] for line in shared))
        for line, share in zip(shared, allocate(whole, [left[line] for line in shared]), strict=True):
            left[line] -= share
            off[line] = (*off[line], Part(discount.id, share))
    return off


def _taxes(
    taxable: Mapping[str, int], taxes: Sequence[InvoiceTax], rounding: TaxRounding
) -> dict[str, tuple[Part, ...]]:
    taxed: dict[str, tuple[Part, ...]] = dict.fromkeys(taxable, ())
    for tax in taxes:
        bases = {line: base for line, base in taxable.items() if tax.applies_to(line)}
        if rounding is TaxRounding.LINE:
            amounts = [_percent_of(base, tax.percent) for base in bases.values()]
        else:
            amounts = list(_tax_on_the_whole(list(bases.values()), tax.percent))
        for line, amount in zip(bases, amounts, strict=True):
            taxed[line] = (*taxed[line], Part(tax.id, amount))
    return taxed


def _tax_on_the_whole(bases: Sequence[int], percent: Decimal) -> tuple[int, ...]:
    """Rounded once, shared by the bases of the lines."""
    whole = sum(bases)
    tax = _percent_of(whole, percent)
    exact = [base * Fraction(percent) / 100 for base in bases]
    quotas = [Fraction(tax * base, whole) for base in bases] if whole else exact
    if any(abs(quota - own) > 1 for quota, own in zip(quotas, exact, strict=True)):
        # Charges and credits nearly cancel out: a share of the tiny sum would not be near any line's own tax.
        quotas = exact
    return apportion(tax, quotas)


def _credits(total: int, credits_available: Sequence[InvoiceCredit]) -> tuple[Part, ...]:
    due = max(total, 0)
    applied = []
    for credit in credits_available:
        used = min(credit.amount, due)
        due -= used
        applied.append(Part(credit.id, used))
    return tuple(applied)


def _line(line_id: str, amount: int, off: tuple[Part, ...], taxed: tuple[Part, ...]) -> LineTotals:
    discount = sum(part.amount for part in off)
    tax = sum(part.amount for part in taxed)
    taxable = amount - discount
    return LineTotals(line_id, amount, discount, taxable, tax, taxable + tax, discounts=off, taxes=taxed)


def _sums(ids: Iterable[str], parts: Iterable[Sequence[Part]]) -> tuple[Part, ...]:
    sums = dict.fromkeys(ids, 0)
    for part in (part for row in parts for part in row):
        sums[part.id] += part.amount
    return tuple(Part(part_id, amount) for part_id, amount in sums.items())


def _percent_of(base: int, percent: Decimal) -> int:
    return round_half_away(base * Fraction(percent) / 100)


def _check(
    lines: Sequence[InvoiceLine],
    discounts: Sequence[InvoiceDiscount],
    taxes: Sequence[InvoiceTax],
    credits_available: Sequence[InvoiceCredit],
) -> None:
    parts: tuple[tuple[str, Sequence[InvoiceLine | InvoiceDiscount | InvoiceTax | InvoiceCredit]], ...] = (
        ("lines", lines),
        ("discounts", discounts),
        ("taxes", taxes),
        ("credits", credits_available),
    )
    for field, group in parts:
        if len({part.id for part in group}) < len(group):
            raise InvalidInvoice(f"two {field} have one id", field=field)
    known = {line.id for line in lines}
    named = {d.line_id for d in discounts if d.line_id} | {line for t in taxes for line in t.line_ids or ()}
    if named - known:
        raise InvalidInvoice(f"there is no line {', '.join(sorted(named - known))}", field="line_id")
    if any(credit.amount < 0 for credit in credits_available) or any(tax.percent < 0 for tax in taxes):
        raise InvalidInvoice("neither a tax nor a credit is below zero", field="taxes")


# --- credit notes ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreditedLine:
    """An invoiced line and the part of it that is given back."""

    id: str
    full_amount: int
    share: Fraction


@dataclass(frozen=True, slots=True)
class CreditLineTotals:
    id: str
    credit: int
    tax: int
    total: int
    taxes: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class CreditNoteTotals:
    """Positive: what is given back. Every figure is the sum of its lines."""

    credit: int
    tax: int
    total: int
    lines: tuple[CreditLineTotals, ...]


def credit_note_totals(lines: Sequence[CreditedLine], taxes: Sequence[InvoiceTax] = ()) -> CreditNoteTotals:
    """Each line's credit rounded, its taxes rounded from that credit one by one, the totals their sums.

    Raises:
        InvalidInvoice: if two parts have one id, or a share is not from nothing to the whole.
    """
    _check([InvoiceLine(line.id, line.full_amount) for line in lines], (), taxes, ())
    rows = []
    for line in lines:
        if not 0 <= line.share <= 1:
            raise InvalidInvoice(f"{line.share} of line {line.id} cannot be given back", field="share")
        credit = round_half_away(line.full_amount * line.share)
        parts = tuple(Part(tax.id, _percent_of(credit, tax.percent)) for tax in taxes if tax.applies_to(line.id))
        tax = sum(part.amount for part in parts)
        rows.append(CreditLineTotals(line.id, credit, tax, credit + tax, parts))
    return CreditNoteTotals(
        credit=sum(row.credit for row in rows),
        tax=sum(row.tax for row in rows),
        total=sum(row.total for row in rows),
        lines=tuple(rows),
    )

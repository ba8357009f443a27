"""What an invoice comes to: its lines with their taxes, and the sums that stand at its foot.

The arithmetic is that of `perennial.domain.invoice` (discounts are on the lines already). Here prices that hold their
tax, and credit lines whose tax is that of the invoice they correct, come to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from perennial.domain.invoice import InvoiceLine, InvoiceTax, TaxRounding, invoice_totals
from perennial.domain.money import apportion, round_half_away
from perennial.domain.subscription.effects import Line
from perennial.domain.tax import TaxRate


@dataclass(frozen=True, slots=True)
class AssessedLine:
    """`net` without, `tax` the tax; `taxes` are (position in the assessment's taxes, amount)."""

    line: Line
    net: int
    tax: int
    taxes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class AssessedTax:
    """`base` is the net amount that it is taken of."""

    rate: TaxRate
    base: int
    amount: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """Minor units. `subtotal` and `discount` as priced; `total` = `net` + `tax`; each is the sum of its lines."""

    lines: tuple[AssessedLine, ...]
    taxes: tuple[AssessedTax, ...]

    @property
    def subtotal(self) -> int:
        return sum(each.line.amount for each in self.lines)

    @property
    def discount(self) -> int:
        return sum(each.line.discount for each in self.lines)

    @property
    def net(self) -> int:
        return sum(each.net for each in self.lines)

    @property
    def tax(self) -> int:
        return sum(each.tax for each in self.lines)

    @property
    def total(self) -> int:
        return self.net + self.tax


@dataclass(frozen=True, slots=True)
class CorrectedTax:
    """The tax of a credit line as the corrected invoices had it; positive, minor units."""

    net: int
    taxes: tuple[tuple[TaxRate, int], ...]


def assess(
    lines: Sequence[Line],
    rates: Sequence[TaxRate],
    rounding: TaxRounding = TaxRounding.INVOICE,
    corrected: Mapping[int, CorrectedTax] | None = None,
) -> Assessment:
    """Each of `rates` on every line; the credit lines that `corrected` names (by position) keep their old taxes."""
    corrected = corrected or {}
    own = [n for n in range(len(lines)) if n not in corrected]
    taxes: dict[TaxRate, dict[int, int]] = {rate: {} for rate in rates} if own else {}
    for rate, amounts in _on_top(lines, [n for n in own if not lines[n].tax_inclusive], rates, rounding):
        taxes[rate].update(amounts)
    for rate, amounts in _within(lines, [n for n in own if lines[n].tax_inclusive], rates, rounding):
        taxes[rate].update(amounts)
    for n, old in corrected.items():
        for rate, amount in old.taxes:
            taxes.setdefault(rate, {})[n] = -amount
    positions = {rate: position for position, rate in enumerate(taxes)}
    assessed = []
    for n, line in enumerate(lines):
        parts = tuple((positions[rate], amounts[n]) for rate, amounts in taxes.items() if n in amounts)
        tax = sum(amount for _, amount in parts)
        net = -corrected[n].net if n in corrected else line.charged - (tax if line.tax_inclusive else 0)
        assessed.append(AssessedLine(line, net, tax, parts))
    return Assessment(
        tuple(assessed),
        tuple(
            AssessedTax(rate, sum(assessed[n].net for n in amounts), sum(amounts.values()))
            for rate, amounts in taxes.items()
        ),
    )


def _on_top(
    lines: Sequence[Line], chosen: Sequence[int], rates: Sequence[TaxRate], rounding: TaxRounding
) -> list[tuple[TaxRate, dict[int, int]]]:
    totals = invoice_totals(
        [InvoiceLine(str(n), lines[n].charged) for n in chosen],
        taxes=[InvoiceTax(str(position), rate.percent) for position, rate in enumerate(rates)],
        tax_rounding=rounding,
    )
    return [
        (rate, {n: row.taxes[position].amount for n, row in zip(chosen, totals.lines, strict=True)})
        for position, rate in enumerate(rates)
        if chosen
    ]


def _within(
    lines: Sequence[Line], chosen: Sequence[int], rates: Sequence[TaxRate], rounding: TaxRounding
) -> list[tuple[TaxRate, dict[int, int]]]:
    """The tax that is in a price: percent / (100 + all percents) of it, rounded like a tax on top."""
    whole = 100 + sum((Fraction(rate.percent) for rate in rates), Fraction())
    found = []
    for rate in rates if chosen else ():
        exact = [lines[n].charged * Fraction(rate.percent) / whole for n in chosen]
        if rounding is TaxRounding.LINE:
            amounts = [round_half_away(each) for each in exact]
        else:
            amounts = list(apportion(round_half_away(sum(exact, Fraction())), exact))
        found.append((rate, dict(zip(chosen, amounts, strict=True))))
    return found

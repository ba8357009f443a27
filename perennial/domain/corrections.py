"""Taking back what was invoiced: which lines, how much of each, and the tax with it.

One rule for credit notes and for the credit lines of later invoices: a line is never taken back further than it was
charged, and its tax goes back in the same share, counted over everything that has been taken back so far, so that a
line taken back whole returns exactly its tax, in however many parts (`docs/billing-rules/credit-notes.md`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from perennial.domain.money import allocate, round_half_away


@dataclass(frozen=True, slots=True)
class ChargedLine:
    """A line of an issued invoice and what is left of it. Minor units.

    `taxes` and `taxes_left` map the position of the invoice's tax to an amount. `inclusive`: amounts are asked for
    with the tax in them.
    """

    invoice: str
    position: int
    net: int
    taxes: Mapping[int, int]
    net_left: int
    taxes_left: Mapping[int, int]
    inclusive: bool = False

    @property
    def left(self) -> int:
        """How much may still be taken back, as it is priced."""
        return self.net_left + (sum(self.taxes_left.values()) if self.inclusive else 0)

    def less(self, part: "TakenBack | None") -> "ChargedLine":
        """The line when `part` of it has been taken back as well."""
        if part is None:
            return self
        gone = dict(part.taxes)
        taxes_left = {position: left - gone.get(position, 0) for position, left in self.taxes_left.items()}
        return replace(self, net_left=self.net_left - part.net, taxes_left=taxes_left)

    @property
    def _charged(self) -> int:
        return self.net + (sum(self.taxes.values()) if self.inclusive else 0)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A part of a line. Positive: what goes back, without the tax and each tax of it."""

    invoice: str
    position: int
    net: int
    taxes: tuple[tuple[int, int], ...]

    @property
    def tax(self) -> int:
        return sum(amount for _, amount in self.taxes)

    @property
    def total(self) -> int:
        return self.net + self.tax


def take_back(lines: Sequence[ChargedLine], amount: int | None) -> tuple[TakenBack, ...]:
    """`amount` (minor units, as priced; None: everything) off `lines`: invoice by invoice in their order.

    Within an invoice the lines share it by what is left of them. What is left of all lines is the most.
    """
    parts: list[TakenBack] = []
    wanted = sum(line.left for line in lines) if amount is None else amount
    for invoice in dict.fromkeys(line.invoice for line in lines):
        there = [line for line in lines if line.invoice == invoice and line.left > 0]
        off = min(wanted, sum(line.left for line in there))
        wanted -= off
        shares = allocate(off, [line.left for line in there]) if off else ()
        parts += [part_of(line, share) for line, share in zip(there, shares, strict=False) if share]
    return tuple(parts)


def within(lines: Sequence[ChargedLine], parts: Sequence[TakenBack], most: int) -> tuple[TakenBack, ...]:
    """`parts`, cut down so that together, taxes and all, they are at most `most`: the last of them first."""
    by_place = {(line.invoice, line.position): line for line in lines}
    surplus = sum(part.total for part in parts) - max(most, 0)
    kept: list[TakenBack] = []
    for part in reversed(parts):
        if surplus > 0:
            smaller = _smaller(by_place[part.invoice, part.position], part, surplus)
            surplus -= part.total - smaller.total
            part = smaller  # noqa: PLW2901 - the part that is kept
        if part.total:
            kept.append(part)
    return tuple(reversed(kept))


def _smaller(line: ChargedLine, part: TakenBack, by: int) -> TakenBack:
    """The greatest part of the line whose total is at least `by` below that of `part`."""
    low, high = 0, part.total if line.inclusive else part.net
    while low < high:
        middle = (low + high + 1) // 2
        if part_of(line, middle).total <= part.total - by:
            low = middle
        else:
            high = middle - 1
    return part_of(line, low)


def part_of(line: ChargedLine, amount: int | None) -> TakenBack:
    """`amount` of one line, as it is priced; at most what is left, and None for all of that."""
    amount = line.left if amount is None else min(amount, line.left)
    after = Fraction(line._charged - line.left + amount, line._charged) if line._charged else Fraction(1)  # noqa: SLF001
    taxes = tuple((position, _up_to(line, position, after)) for position in line.taxes)
    if not line.inclusive:
        return TakenBack(line.invoice, line.position, amount, taxes)
    return TakenBack(line.invoice, line.position, amount - sum(tax for _, tax in taxes), taxes)


def _up_to(line: ChargedLine, position: int, share: Fraction) -> int:
    """The tax that has gone back when `share` of the line has, less what went before; within what is left."""
    whole, left = line.taxes[position], line.taxes_left[position]
    return max(0, min(left, round_half_away(whole * share) - (whole - left)))

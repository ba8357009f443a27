"""What stands below a line's description: when, how its price came about, what was taken off."""

from perennial.documents.document import Line
from perennial.documents.formats import Formats
from perennial.documents.tiers import Rate, TierRow, breakdown, unit_price
from perennial.documents.wording import Wording


def line_notes(line: Line, currency: str, fmt: Formats, words: Wording) -> tuple[str, ...]:
    notes = [fmt.days(line.days)] if line.days else []
    notes += tier_notes(line, currency, fmt, words)
    for part in line.discounts:
        if part.amount:
            notes.append(words("line_discount", coupon=part.coupon, amount=fmt.money(-part.amount, currency)))
    return tuple(notes)


def tier_notes(line: Line, currency: str, fmt: Formats, words: Wording) -> list[str]:
    rows = breakdown(line.price, line.quantity, line.amount, currency)
    return [tier_note(row, currency, fmt, words) for row in rows]


def line_unit_price(line: Line, currency: str, fmt: Formats) -> str:
    """Empty where there is no such thing: tiers, parts of a period."""
    each = unit_price(line.price, line.quantity, line.amount, currency)
    return fmt.unit_price(each, currency) if each is not None else ""


def tier_note(row: TierRow, currency: str, fmt: Formats, words: Wording) -> str:
    """How much was charged at what, and what that comes to; where it begins and ends, if there are tiers."""
    match row.kind:
        case Rate.PERCENT:
            quantity, rate = fmt.unit_price(row.quantity, currency), fmt.percent(row.rate)
        case _:
            quantity, rate = fmt.number(row.quantity), fmt.unit_price(row.rate, currency)
    text = words(_WORDS[row.kind], quantity=quantity, rate=rate)
    if row.kind in _PRODUCTS:
        text = f"{text} = {fmt.unit_price(row.amount, currency)}"
    reach = _reach(row, currency, fmt, words)
    return f"{reach}: {text}" if reach else text


_PRODUCTS = frozenset({Rate.UNIT, Rate.PACKAGE, Rate.PERCENT})
_WORDS = {
    Rate.UNIT: "tier_units",
    Rate.PACKAGE: "tier_packages",
    Rate.PERCENT: "tier_percent",
    Rate.INCLUDED: "tier_included",
    Rate.FEE: "tier_fee",
    Rate.COMMITMENT: "tier_commitment",
    Rate.MINIMUM: "tier_minimum",
}


def _reach(row: TierRow, currency: str, fmt: Formats, words: Wording) -> str:
    if row.start is None:
        return ""
    start, reach = (
        "" if value is None else fmt.unit_price(value, currency) if row.kind is Rate.PERCENT else fmt.number(value)
        for value in (row.start, row.reach)
    )
    if row.reach is None:
        return words("tier_above", start=start) if row.start else ""
    return words("tier_between", start=start, reach=reach) if row.start else words("tier_up_to", reach=reach)

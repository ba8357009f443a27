"""The lines of an e-invoice.

EN 16931 wants every price without VAT and not below zero: what is taken back has a quantity below zero instead, and
what is priced otherwise than by the unit (tiers, parts of a period, prices with VAT in them) is one piece of what it
came to.
"""

from dataclasses import dataclass
from decimal import Decimal

from drafthorse.models.accounting import TradeAllowanceCharge
from drafthorse.models.tradelines import LineItem

from perennial.documents.amounts import Amounts
from perennial.documents.document import Document, Line
from perennial.documents.formats import Formats
from perennial.documents.rows import tier_notes
from perennial.documents.tiers import unit_price
from perennial.documents.vat import Vat, vat_of
from perennial.documents.wording import Wording, printable
from perennial.domain.money import allocate, round_half_away

_PIECE = "C62"
"""One, in the code list of UN/ECE recommendation 20."""
_LONGEST_NAME = 250


@dataclass(frozen=True, slots=True)
class _Priced:
    """`price` a piece, `allowances` taken off their product: net. All without VAT, minor units but for `price`."""

    quantity: Decimal
    price: Decimal
    allowances: tuple[tuple[str, int], ...]


def line_item(document: Document, n: int, amounts: Amounts, fmt: Formats, words: Wording) -> LineItem:
    line = document.lines[n]
    vat = vat_of(document, line)
    priced = _priced(line, document.currency, amounts)
    item = LineItem()
    item.document.line_id = str(n + 1)  # BT-126
    name = printable(line.description) or "-"
    item.product.name = name[:_LONGEST_NAME]  # BT-153
    told = tier_notes(line, document.currency, fmt, words)
    if line.quantity not in (1, priced.quantity):
        told.insert(0, f"{words('quantity')}: {fmt.number(line.quantity)}")
    if told:
        item.product.description = "\n".join(told)  # BT-154
    item.agreement.net.amount = priced.price  # BT-146
    item.delivery.billed_quantity = (priced.quantity, _PIECE)  # BT-129, BT-130
    item.settlement.trade_tax.type_code = "VAT"
    item.settlement.trade_tax.category_code = vat.category.value  # BT-151
    _set_rate(item, vat)
    if line.days:
        item.settlement.period.start = line.days.first  # BT-134
        item.settlement.period.end = line.days.last  # BT-135
    for coupon, off in priced.allowances:
        item.settlement.allowance_charge.add(_allowance(coupon, amounts.of(off)))
    item.settlement.monetary_summation.total_amount = amounts.of(line.net)  # BT-131
    return item


def _set_rate(item: LineItem, vat: Vat) -> None:
    if vat.percent is not None:
        item.settlement.trade_tax.rate_applicable_percent = plain(vat.percent)  # BT-152


def _allowance(coupon: str, off: Decimal) -> TradeAllowanceCharge:
    allowance = TradeAllowanceCharge()
    allowance.indicator = False
    allowance.actual_amount = off  # BT-136
    allowance.reason_code = "95"  # BT-140: discount
    allowance.reason = printable(coupon) or "-"  # BT-139
    return allowance


def _priced(line: Line, currency: str, amounts: Amounts) -> _Priced:
    off = _net_discount(line)
    shares = allocate(off, [part.amount for part in line.discounts]) if off else ()
    allowances = tuple((part.coupon, share) for part, share in zip(line.discounts, shares, strict=False) if share)
    gross = line.net + off
    each = unit_price(line.price, line.quantity, line.amount, currency)
    if each is not None and gross == line.amount and line.quantity > 0:
        return _Priced(plain(line.quantity), plain(each), allowances)
    return _Priced(Decimal(1 if gross >= 0 else -1), amounts.of(abs(gross)), allowances)


def _net_discount(line: Line) -> int:
    """The discount without the VAT that is in it."""
    if not line.tax_inclusive or not line.tax:
        return line.discount
    charged = line.amount - line.discount
    return round_half_away(Decimal(line.discount) * line.net / charged) if charged else 0


def plain(value: Decimal) -> Decimal:
    """Without zeros at the end, and never as a power of ten."""
    short = value.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short

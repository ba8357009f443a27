"""What a draft comes to for this customer at this time: usage, corrections and taxes found in the records.

Issuing an invoice and previewing it ask the same question here, so a preview is what is then charged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from perennial.contracts.activities import Subject
from perennial.db.models import Invoice
from perennial.db.repositories import corrections, tax, usage
from perennial.db.repositories.corrections import Charged
from perennial.db.repositories.statuses import UNCOLLECTIBLE, VOID
from perennial.db.repositories.tax import Parties
from perennial.domain.assessment import Assessment, CorrectedTax, assess
from perennial.domain.corrections import TakenBack, take_back
from perennial.domain.ledger import Worth
from perennial.domain.money import allocate
from perennial.domain.recognition import lies_ahead_until
from perennial.domain.subscription.effects import InvoiceDraft, Line, LineDiscount
from perennial.domain.subscription.state import Discount
from perennial.domain.tax import TaxRate
from perennial.ports import TaxCalculator


@dataclass(frozen=True, slots=True)
class StatedDiscount:
    """What a coupon took off the invoice, and how much of its amount found nothing left. Minor units."""

    coupon: str
    amount: int
    unused: int


@dataclass(frozen=True, slots=True)
class Assessed:
    """`parts` are (line, what it takes back). `surplus` is what credit lines are worth beyond the rest.

    No invoice is below nought: with a surplus the credit lines are not in it; they become a credit note of that worth
    (priced, minor units) on the customer's balance, out of which the invoice is then paid.
    """

    result: Assessment
    parties: Parties
    discounts: tuple[StatedDiscount, ...]
    parts: tuple[tuple[int, TakenBack], ...] = ()
    surplus: int = 0
    corrects: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.result.lines


def assess_draft(
    session: Session,
    calculator: TaxCalculator,
    subject: Subject,
    draft: InvoiceDraft,
    as_of: datetime,
    *,
    issuing: str | None = None,
    with_late: bool = True,
) -> Assessed:
    """`issuing` is the id of the invoice that is being issued: its usage is billed for good. None: only a look.

    What came late is on the next invoice; a look at the one after that is without it.
    """
    sale, parties = tax.sale_for(session, subject.customer_id, draft.currency, as_of)
    rates = calculator.rates(sale)
    used, coupons = _discounted_usage(_usage(session, subject, draft, issuing, with_late=with_late), draft.coupons)
    lines = [*draft.lines, *used]
    discounts = _stated(lines, coupons)
    lines, taken, corrected = _corrected(session, lines)
    result = assess(lines, rates, parties.tax_rounding, corrected)
    if result.total >= 0:
        return Assessed(result, parties, discounts, taken)
    given_back = [line for line in lines if line.corrects]
    result = assess([line for line in lines if not line.corrects], rates, parties.tax_rounding)
    surplus = -sum(line.charged for line in given_back)
    return Assessed(result, parties, discounts, surplus=surplus, corrects=given_back[0].corrects)


def worth(assessed: Assessment, as_of: datetime) -> Worth:
    """Service that lies ahead is not earned yet."""
    lines = ((each.net, lies_ahead_until(each.line.kind, each.line.period.end)) for each in assessed.lines)
    ahead = sum(net for net, until in lines if until > as_of)
    taxes: dict[str, int] = {}
    for each in assessed.taxes:
        taxes[each.rate.jurisdiction] = taxes.get(each.rate.jurisdiction, 0) + each.amount
    return Worth(ahead, assessed.net - ahead, taxes)


def _usage(
    session: Session, subject: Subject, draft: InvoiceDraft, issuing: str | None, *, with_late: bool
) -> list[Line]:
    if subject.subscription_id is None:
        return []
    inclusive = draft.tax_inclusive
    if issuing is None:
        return usage.rated(
            session,
            subject.subscription_id,
            draft.usage,
            draft.currency,
            tax_inclusive=inclusive,
            with_late=with_late,
        )
    return usage.bill(
        session,
        subject.subscription_id,
        draft.usage,
        draft.currency,
        tax_inclusive=inclusive,
        invoice_id=issuing,
    )


def _discounted_usage(lines: list[Line], coupons: Sequence[Discount]) -> tuple[list[Line], tuple[Discount, ...]]:
    """Each coupon in turn off what is left of the usage, and what is left of the coupons."""
    rest = []
    for coupon in coupons:
        left = [line.charged for line in lines]
        whole = coupon.off(sum(left))
        lines = [
            replace(line, discounts=(*line.discounts, LineDiscount(coupon.coupon, share))) if share else line
            for line, share in zip(lines, allocate(whole, left), strict=True)
        ]
        rest.append(coupon if coupon.amount is None else replace(coupon, amount=coupon.amount - whole))
    return lines, tuple(rest)


def _stated(lines: Sequence[Line], coupons: Sequence[Discount]) -> tuple[StatedDiscount, ...]:
    off: dict[str, int] = {}
    for part in (part for line in lines for part in line.discounts):
        off[part.coupon] = off.get(part.coupon, 0) + part.amount
    return tuple(StatedDiscount(each.coupon, off.get(each.coupon, 0), each.amount or 0) for each in coupons)


def _corrected(
    session: Session, lines: list[Line]
) -> tuple[list[Line], tuple[tuple[int, TakenBack], ...], dict[int, CorrectedTax]]:
    """Credit lines bear the taxes of what they take back, and take back no more than is left of it.

    A line is of one kind of tax (EN 16931 has no other): what was charged with other taxes is taken back by a line of
    its own. What was given up is not taken back: nobody paid for it.
    """
    keys = tuple(dict.fromkeys(key for line in lines for key in line.corrects))
    if not keys:
        return lines, (), {}
    found = session.execute(
        select(Invoice.key, Invoice.id).where(Invoice.key.in_(keys), Invoice.status.not_in((VOID, UNCOLLECTIBLE)))
    )
    ids: dict[str, str] = {key: invoice for key, invoice in found}  # noqa: C416 - a row is no pair for mypy
    # Newest first, like a credit note.
    charged = corrections.charged(session, [ids[key] for key in reversed(keys) if key in ids], recurring=True)
    left, told, taken, corrected = list(charged.lines), [], [], {}
    for line in lines:
        if not line.corrects:
            told.append(line)
            continue
        parts = take_back(left, -line.amount)
        gone = {(part.invoice, part.position): part for part in parts}
        left = [each.less(gone.get((each.invoice, each.position))) for each in left]
        for inclusive, alike in _by_taxes(parts, charged):
            n, back = len(told), sum(part.total if inclusive else part.net for part in alike)
            told.append(replace(line, amount=-back, tax_inclusive=inclusive))
            taken += [(n, part) for part in alike]
            corrected[n] = CorrectedTax(sum(part.net for part in alike), _taxes(alike, charged.rates))
    return told, tuple(taken), corrected


def _by_taxes(parts: Sequence[TakenBack], charged: Charged) -> list[tuple[bool, list[TakenBack]]]:
    """Parts that bore the same taxes, on top of the price or in it (the flag)."""
    inclusive = {(line.invoice, line.position): line.inclusive for line in charged.lines}
    groups: dict[tuple[bool, tuple[TaxRate, ...]], list[TakenBack]] = {}
    for part in parts:
        rates = tuple(charged.rates[part.invoice, position] for position, _ in part.taxes)
        groups.setdefault((inclusive[part.invoice, part.position], rates), []).append(part)
    return [(is_inclusive, alike) for (is_inclusive, _), alike in groups.items()]


def _taxes(parts: Sequence[TakenBack], rates: dict[tuple[str, int], TaxRate]) -> tuple[tuple[TaxRate, int], ...]:
    sums: dict[TaxRate, int] = {}
    for part in parts:
        for position, amount in part.taxes:
            rate = rates[part.invoice, position]
            sums[rate] = sums.get(rate, 0) + amount
    return tuple(sums.items())

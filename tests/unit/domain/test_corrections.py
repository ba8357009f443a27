"""Laws of taking back: whatever is credited in whatever parts, no line and no tax goes back further than it came."""

from collections.abc import Mapping
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from perennial.domain.assessment import Assessment, assess
from perennial.domain.corrections import ChargedLine, TakenBack, part_of, take_back, within
from perennial.domain.drafts import DraftLine, invoice_draft
from perennial.domain.invoice import TaxRounding
from perennial.domain.tax import TaxCategory, TaxRate
from tests.support.stage import at
from tests.unit.subscription.limits import LAWS

NOW = at("2026-03-20 11:00")
AMOUNTS = st.one_of(st.integers(1, 20), st.integers(1, 10**7))
PERCENTS = st.sampled_from(["0", "2.1", "5.5", "7.7", "8.875", "19", "20", "25"])
INVOICES = st.tuples(
    st.lists(st.tuples(AMOUNTS, st.booleans()), min_size=1, max_size=5),
    st.lists(PERCENTS, max_size=2, unique=True),
    st.sampled_from(TaxRounding),
)
# (share of what there is in per cent, or None for all of it; which line, or None for the whole invoice)
CREDITS = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(1, 100)), st.one_of(st.none(), st.integers(0, 4))), max_size=8
)
Asked = list[tuple[int | None, int | None]]


def assessed(lines: list[tuple[int, bool]], percents: list[str], rounding: TaxRounding) -> Assessment:
    draft = invoice_draft(
        "inv_x",
        "USD",
        [DraftLine(description="x", amount=amount, tax_inclusive=inclusive) for amount, inclusive in lines],
        NOW,
    )
    rates = [TaxRate(f"X-{n}", "VAT", Decimal(each), TaxCategory.STANDARD) for n, each in enumerate(percents)]
    return assess(draft.lines, rates, rounding)


def charged(invoice: Assessment) -> list[ChargedLine]:
    return [
        ChargedLine("inv_x", n, each.net, dict(each.taxes), each.net, dict(each.taxes), each.line.tax_inclusive)
        for n, each in enumerate(invoice.lines)
    ]


def credit(lines: list[ChargedLine], share: int | None, line: int | None, most: int) -> tuple[TakenBack, ...]:
    """One credit note, as `perennial.db.repositories.credit_notes` works it out."""
    if line is not None:
        chosen = lines[line % len(lines)]
        parts = [part_of(chosen, None if share is None else -(-chosen.left * share // 100))] if chosen.left else []
    else:
        left = sum(each.left for each in lines)
        parts = list(take_back(lines, None if share is None else -(-left * share // 100)))
    return within(lines, parts, most)


def sums(parts: list[TakenBack]) -> Mapping[tuple[int, int], int]:
    """Tax that has gone back, by line and tax."""
    found: dict[tuple[int, int], int] = {}
    for part in parts:
        for tax, amount in part.taxes:
            found[part.position, tax] = found.get((part.position, tax), 0) + amount
    return found


@LAWS
@given(INVOICES, CREDITS)
def test_refunded_tax_never_exceeds_collected_tax(
    invoice: tuple[list[tuple[int, bool]], list[str], TaxRounding], asked: Asked
) -> None:
    """By line and by tax, after every credit note; and all together the credit notes are at most the invoice."""
    issued = assessed(*invoice)
    lines, gone = charged(issued), list[TakenBack]()
    for share, line in asked:
        left = issued.total - sum(part.total for part in gone)
        parts = credit(lines, share, line, left)
        assert sum(part.total for part in parts) <= left
        for part in parts:
            assert part.net >= 0
            assert all(amount >= 0 for _, amount in part.taxes)
            lines[part.position] = lines[part.position].less(part)
        gone += parts
        for (position, tax), amount in sums(gone).items():
            assert amount <= dict(issued.lines[position].taxes)[tax]
        assert all(each.net_left >= 0 for each in lines)
        assert all(left >= 0 for each in lines for left in each.taxes_left.values())


@LAWS
@given(INVOICES, CREDITS)
def test_what_is_given_back_in_parts_and_then_whole_is_the_whole(
    invoice: tuple[list[tuple[int, bool]], list[str], TaxRounding], asked: Asked
) -> None:
    """However it was cut up before: the last credit note returns exactly what is left, to the unit of each tax."""
    issued = assessed(*invoice)
    lines, gone = charged(issued), list[TakenBack]()
    for share, line in [*asked, (None, None)]:
        left = issued.total - sum(part.total for part in gone)
        for part in credit(lines, share, line, left):
            lines[part.position] = lines[part.position].less(part)
            gone.append(part)
    assert sum(part.net for part in gone) == issued.net
    assert sum(part.tax for part in gone) == issued.tax
    expected = {(n, tax): amount for n, each in enumerate(issued.lines) for tax, amount in each.taxes if amount}
    assert {place: amount for place, amount in sums(gone).items() if amount} == expected


@settings(LAWS)
@given(INVOICES, st.integers(1, 100), st.integers(0, 10**8))
def test_a_cap_is_kept_and_used_as_far_as_parts_allow(
    invoice: tuple[list[tuple[int, bool]], list[str], TaxRounding], share: int, most: int
) -> None:
    """What is cut off is less than one more unit of a line with its taxes."""
    issued = assessed(*invoice)
    lines = charged(issued)
    wanted = take_back(lines, -(-sum(line.left for line in lines) * share // 100))
    kept = within(lines, wanted, most)
    total, whole = sum(part.total for part in kept), sum(part.total for part in wanted)
    assert total <= max(most, 0)
    if whole <= most:
        assert kept == tuple(part for part in wanted if part.total)
    else:
        assert most - total <= 1 + len(invoice[1])

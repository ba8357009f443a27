from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.errors import InvalidInvoice
from perennial.domain.invoice import (
    CreditedLine,
    InvoiceCredit,
    InvoiceDiscount,
    InvoiceLine,
    InvoiceTax,
    InvoiceTotals,
    TaxRounding,
    credit_note_totals,
    invoice_totals,
)

D = Decimal
PERCENTS = st.decimals(0, 100, places=3)
LINE_IDS = ("a", "b", "c", "d")


@st.composite
def invoices(draw: st.DrawFn, least: int = -(10**7)) -> InvoiceTotals:
    ids = LINE_IDS[: draw(st.integers(1, 4))]
    amount = st.integers(0, 10**7)
    where = st.sampled_from([None, *ids])
    discounts = st.one_of(
        st.tuples(PERCENTS, st.none(), where),
        st.tuples(st.none(), amount, where),
    )
    some_lines = st.none() | st.frozensets(st.sampled_from(ids))
    return invoice_totals(
        [InvoiceLine(line, draw(st.integers(least, 10**7))) for line in ids],
        discounts=[InvoiceDiscount(f"d{n}", *parts) for n, parts in enumerate(draw(st.lists(discounts, max_size=3)))],
        taxes=[
            InvoiceTax(f"t{n}", draw(st.decimals(0, 30, places=3)), draw(some_lines))
            for n in range(draw(st.integers(0, 3)))
        ],
        tax_rounding=draw(st.sampled_from(TaxRounding)),
        credits_available=[InvoiceCredit(f"c{n}", draw(amount)) for n in range(draw(st.integers(0, 3)))],
    )


@given(invoices())
def test_every_figure_is_the_sum_of_its_parts(found: InvoiceTotals) -> None:
    for figure in ("discount", "taxable", "tax", "total"):
        assert getattr(found, figure) == sum(getattr(line, figure) for line in found.lines)
    assert found.subtotal == sum(line.amount for line in found.lines)
    assert found.taxable == found.subtotal - found.discount
    assert found.total == found.taxable + found.tax
    assert found.amount_due == found.total - sum(part.amount for part in found.credits_applied)
    assert found.discount == sum(part.amount for part in found.discounts)
    assert found.tax == sum(part.amount for part in found.taxes)
    for line in found.lines:
        assert line.taxable == line.amount - line.discount
        assert line.total == line.taxable + line.tax
        assert line.discount == sum(part.amount for part in line.discounts)
        assert line.tax == sum(part.amount for part in line.taxes)


@given(invoices())
def test_a_discount_never_exceeds_what_it_is_taken_off(found: InvoiceTotals) -> None:
    for line in found.lines:
        assert 0 <= line.discount <= max(line.amount, 0)


@given(invoices())
def test_credits_pay_what_is_due_and_no_more(found: InvoiceTotals) -> None:
    used = sum(part.amount for part in found.credits_applied)
    assert 0 <= used <= max(found.total, 0)
    assert found.amount_due >= 0 or used == 0


@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=4),
    st.decimals(0, 30, places=3),
    st.sampled_from(TaxRounding),
)
def test_no_tax_is_further_than_a_unit_from_its_line(
    amounts: list[int], percent: Decimal, rounding: TaxRounding
) -> None:
    lines = [InvoiceLine(name, amount) for name, amount in zip(LINE_IDS, amounts, strict=False)]
    found = invoice_totals(lines, taxes=[InvoiceTax("t", percent)], tax_rounding=rounding)
    rate = Fraction(percent) / 100
    for line in found.lines:
        near = Fraction(1, 2) if rounding is TaxRounding.LINE else 2  # a share of one, and one more to make the sum
        assert abs(line.tax - line.taxable * rate) <= near
    if rounding is TaxRounding.INVOICE:
        assert abs(found.tax - found.taxable * rate) <= Fraction(1, 2)


def test_discounts_of_a_line_come_first_whatever_their_place() -> None:
    whole = InvoiceDiscount("whole", percent=D(10))
    line = InvoiceDiscount("line", amount=1000, line_id="a")
    lines = [InvoiceLine("a", 5000), InvoiceLine("b", 5000)]
    assert invoice_totals(lines, discounts=[whole, line]).discount == 1900
    assert invoice_totals(lines, discounts=[line, whole]).lines == invoice_totals(lines, discounts=[whole, line]).lines


def test_two_tens_make_nineteen() -> None:
    tens = [InvoiceDiscount(name, percent=D(10)) for name in "xy"]
    found = invoice_totals([InvoiceLine("a", 10_000)], discounts=tens)
    assert [part.amount for part in found.discounts] == [1000, 900]


def test_a_fixed_discount_beyond_the_invoice_is_lost() -> None:
    found = invoice_totals([InvoiceLine("a", 300)], discounts=[InvoiceDiscount("x", amount=500)])
    assert (found.discount, found.total) == (300, 0)


def test_a_credit_line_is_not_discounted_again() -> None:
    lines = [InvoiceLine("new", 15_000), InvoiceLine("old", -5000)]
    found = invoice_totals(lines, discounts=[InvoiceDiscount("x", percent=D(10))])
    assert [(line.id, line.discount) for line in found.lines] == [("new", 1500), ("old", 0)]
    of_the_credit = InvoiceDiscount("x", percent=D(10), line_id="old")
    assert invoice_totals(lines, discounts=[of_the_credit]).discount == 0


def test_an_invoice_below_zero_uses_no_credit_and_owes_the_customer() -> None:
    found = invoice_totals([InvoiceLine("old", -5000)], credits_available=[InvoiceCredit("wallet", 700)])
    assert found.credits_applied[0].amount == 0
    assert found.amount_due == -5000


def test_tax_on_the_whole_where_charges_and_credits_cancel_out() -> None:
    """Shared by the bases, a cent of tax would put 14 % on each line."""
    lines = [InvoiceLine("new", 10_000), InvoiceLine("old", -9993)]
    tax = InvoiceTax("t", D("8.25"))
    found = invoice_totals(lines, taxes=[tax], tax_rounding=TaxRounding.INVOICE)
    assert found.tax == 1
    assert [line.tax for line in found.lines] == [825, -824]
    lines[1] = InvoiceLine("old", -10_000)
    found = invoice_totals(lines, taxes=[tax], tax_rounding=TaxRounding.INVOICE)
    assert [line.tax for line in found.lines] == [825, -825]


@given(invoices(least=0))
def test_a_credit_mirrors_its_charge(found: InvoiceTotals) -> None:
    """The same lines below zero have the same taxes below zero, line by line."""
    for rounding in TaxRounding:
        up, down = (
            invoice_totals(
                [InvoiceLine(line.id, sign * line.taxable) for line in found.lines],
                taxes=[InvoiceTax("t", D("8.875"))],
                tax_rounding=rounding,
            )
            for sign in (1, -1)
        )
        assert [line.tax for line in down.lines] == [-line.tax for line in up.lines]


def test_no_lines_no_money() -> None:
    found = invoice_totals([], discounts=[InvoiceDiscount("x", amount=5)], taxes=[InvoiceTax("t", D(19))])
    assert (found.total, found.amount_due, found.lines) == (0, 0, ())


@pytest.mark.parametrize(
    ("percent", "amount"), [(None, None), (D(5), 5), (D(-1), None), (D("100.01"), None), (None, -1)]
)
def test_what_is_no_discount(percent: Decimal | None, amount: int | None) -> None:
    with pytest.raises(InvalidInvoice):
        InvoiceDiscount("x", percent=percent, amount=amount)


def test_parts_that_contradict_each_other() -> None:
    line = InvoiceLine("a", 1)
    with pytest.raises(InvalidInvoice, match="one id"):
        invoice_totals([line, line])
    with pytest.raises(InvalidInvoice, match="no line z"):
        invoice_totals([line], discounts=[InvoiceDiscount("x", amount=1, line_id="z")])
    with pytest.raises(InvalidInvoice, match="no line z"):
        invoice_totals([line], taxes=[InvoiceTax("t", D(1), frozenset("z"))])
    with pytest.raises(InvalidInvoice, match="below zero"):
        invoice_totals([line], credits_available=[InvoiceCredit("c", -1)])
    with pytest.raises(InvalidInvoice, match="below zero"):
        invoice_totals([line], taxes=[InvoiceTax("t", D(-1))])


@given(
    st.lists(st.tuples(st.integers(0, 10**8), st.fractions(0, 1)), min_size=1, max_size=4),
    st.lists(PERCENTS, max_size=3),
)
def test_a_credit_note_is_the_sum_of_its_parts(lines: list[tuple[int, Fraction]], percents: list[Decimal]) -> None:
    credited = [CreditedLine(name, *parts) for name, parts in zip(LINE_IDS, lines, strict=False)]
    found = credit_note_totals(credited, [InvoiceTax(f"t{n}", percent) for n, percent in enumerate(percents)])
    assert found.credit == sum(line.credit for line in found.lines)
    assert found.tax == sum(part.amount for line in found.lines for part in line.taxes)
    assert found.total == found.credit + found.tax
    for line, part in zip(credited, found.lines, strict=True):
        assert 0 <= part.credit <= line.full_amount


def test_crediting_everything_in_full_gives_the_invoice_back() -> None:
    lines = [InvoiceLine("a", 4999), InvoiceLine("b", 1999)]
    taxes = [InvoiceTax("gst", D(5)), InvoiceTax("qst", D("9.975"), frozenset("a"))]
    invoice = invoice_totals(lines, taxes=taxes)
    note = credit_note_totals([CreditedLine(line.id, line.amount, Fraction(1)) for line in lines], taxes)
    assert (note.total, note.tax) == (invoice.total, invoice.tax)


def test_more_than_a_line_cannot_be_given_back() -> None:
    with pytest.raises(InvalidInvoice, match="given back"):
        credit_note_totals([CreditedLine("a", 100, Fraction(3, 2))])

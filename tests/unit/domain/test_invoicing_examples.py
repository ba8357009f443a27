"""The worked examples of the pages on credit notes, net terms, numbers, and one-off invoices."""

from datetime import UTC, datetime
from decimal import Decimal

from perennial.db.repositories.numbers import INVOICE, Numbering
from perennial.domain import calendar
from perennial.domain.corrections import ChargedLine, TakenBack, part_of, take_back, within
from perennial.domain.drafts import DraftLine


def line(position: int, net: int, tax: int = 0, *, inclusive: bool = False) -> ChargedLine:
    taxes = {0: tax} if tax else {}
    return ChargedLine("inv_x", position, net, taxes, net, taxes, inclusive)


def totals(parts: tuple[TakenBack, ...]) -> list[int]:
    return [part.total for part in parts]


def test_a_line_given_back_in_three_parts() -> None:
    rest, taxes = line(0, 100, 19), []
    for amount in (33, 33, 34):
        part = part_of(rest, amount)
        rest = rest.less(part)
        taxes.append(part.tax)
    assert taxes == [6, 7, 6]
    assert rest.left == 0


def test_an_amount_shared_over_lines() -> None:
    lines = [line(0, 20_000), line(1, 5_000)]
    parts = take_back(lines, 1_000)
    assert totals(parts) == [800, 200]
    assert lines[1].less(parts[1]).left == 4_800


def test_a_price_that_holds_its_tax() -> None:
    part = part_of(line(0, 1_000, 190, inclusive=True), 595)
    assert (part.net, part.tax) == (500, 95)


def test_an_upgrade_given_back_whole() -> None:
    """Credit lines are not taken back; what was paid is the most."""
    lines = [line(0, 15_000)]
    assert totals(within(lines, take_back(lines, None), 15_000 - 5_333)) == [9_667]


def test_fourteen_days_across_summer_time() -> None:
    issued = datetime(2026, 3, 20, 11, tzinfo=UTC)
    assert calendar.add_local_days(issued, 14, "Europe/Berlin") == datetime(2026, 4, 3, 10, tzinfo=UTC)


def test_a_new_year_begins_in_the_seller_s_zone() -> None:
    numbering = Numbering(by_year=True, timezone="Europe/Vienna")
    eve, midnight = datetime(2026, 12, 31, 22, 30, tzinfo=UTC), datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert numbering.name(INVOICE, 12, eve) == "INV-2026-000012"
    assert numbering.name(INVOICE, 1, midnight) == "INV-2027-000001"
    assert (numbering.series(INVOICE, eve), numbering.series(INVOICE, midnight)) == ("invoice:2026", "invoice:2027")


def test_lines_of_a_one_off_invoice() -> None:
    days = DraftLine(description="Workshop", quantity=Decimal("1.5"), unit_price=Decimal("200.00"))
    calls = DraftLine(description="Calls", quantity=Decimal(1_001), unit_price=Decimal("0.0125"))
    assert (days.cost("USD"), calls.cost("USD")) == (30_000, 1_251)

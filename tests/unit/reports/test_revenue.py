from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from perennial.db.repositories import ledger
from perennial.domain.ledger import (
    Worth,
    credit_note_issued,
    dispute_lost,
    dispute_opened,
    dispute_won,
    invoice_issued,
    invoice_voided,
    invoice_written_off,
    overpayment_received,
    payment_received,
    refund_failed,
    refund_sent,
    revenue_recognised,
)
from perennial.reports.registry import find

JANUARY = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def books(session: Session) -> None:
    """January: 100.00 due and 10.00 from credit, 10.00 of it tax, half of the rest ahead; the half earned.

    February: paid, 30.00 and 5.00 given back, 20.00 written off, 8.00 void. Disputed: 15.00, lost, 2.00 of them credit
    that is taken back; and 4.00, won.
    """
    issued = invoice_issued(
        "a", "inv_a", "USD", "cus", due=10_000, credit=1_000, worth=Worth(5_000, 5_000, {"DE": 1_000})
    )
    void = invoice_issued("v", "inv_v", "USD", "cus", due=700, credit=100, worth=Worth(700, 0, {"DE": 100}))
    postings = (
        (JANUARY, issued),
        (JANUARY, invoice_issued("j", "inv_j", "JPY", "cus", due=500, credit=0, worth=Worth(0, 500, {}))),
        (JANUARY, revenue_recognised("recognition:1", "2026-01", "USD", revenue=4_000, breakage=1_000)),
        (FEBRUARY, payment_received("charge:a:1", "inv_a", "USD", "simulator", 10_000)),
        (
            FEBRUARY,
            credit_note_issued(
                "c", "cn_c", "USD", "cus", refunded=3_000, credited=500, worth=Worth(1_000, 2_000, {"DE": 500})
            ),
        ),
        (FEBRUARY, refund_sent("refund:c:0", "cn_c", "USD", "simulator", 2_000)),
        (FEBRUARY, refund_failed("refund:c:1", "cn_c", "USD", "cus", 1_000)),
        (FEBRUARY, invoice_issued("l", "inv_l", "USD", "cus", due=2_000, credit=0, worth=Worth(0, 2_000, {}))),
        (FEBRUARY, invoice_written_off("l", "inv_l", "USD", 2_000)),
        (FEBRUARY, void),
        (FEBRUARY, invoice_voided("v", "inv_v", "USD", void.entries)),
        (FEBRUARY, dispute_opened("d1", "dp_1", "USD", "simulator", 1_500)),
        (FEBRUARY, dispute_lost("d1", "dp_1", "USD", "simulator", "cus", 1_500, credit=200)),
        (FEBRUARY, dispute_opened("d2", "dp_2", "USD", "simulator", 400)),
        (FEBRUARY, dispute_won("d2", "dp_2", "USD", "simulator", 400)),
        (FEBRUARY, overpayment_received("charge:v:1", "inv_v", "USD", "simulator", "cus", 700)),
    )
    for at, posting in postings:
        assert ledger.post(session, posting, at)


def run(session: Session, **given: str) -> list[dict[str, object]]:
    report = find("revenue")
    rows = report.run(session, report.parse(given))
    assert all(set(row) == {column.name for column in report.columns} for row in rows)
    return rows


def test_each_posting_counts_in_its_own_month(session: Session) -> None:
    yen, january, february = run(session)
    assert (yen["month"], yen["currency"], yen["invoiced"], yen["net"]) == ("2026-01", "JPY", 500, 500)
    assert january == {
        "month": "2026-01",
        "currency": "USD",
        "invoiced": 10_000,
        "voided": 0,
        "credited": 0,
        "net": 10_000,
        "earned": 9_000,
        "written_off": 0,
        "paid": 0,
        "refunded": 0,
        "disputed": 0,
        "lost": 0,
    }
    assert february == {
        "month": "2026-02",
        "currency": "USD",
        "invoiced": 2_700,
        "voided": 700,
        "credited": 3_000,
        "net": -1_000,
        "earned": 0,
        "written_off": 2_000,
        "paid": 10_700,
        "refunded": 2_000,
        "disputed": 1_500,
        "lost": 1_300,
    }


def test_months_begin_and_end_in_the_time_zone(session: Session) -> None:
    months = {row["month"] for row in run(session, timezone="Asia/Tokyo")}
    assert months == {"2026-02"}


def test_nothing_later_than_the_instant_counts_and_the_instant_itself_does(session: Session) -> None:
    assert [row["month"] for row in run(session, as_of="2026-02-09T23:59:59Z", currency="USD")] == ["2026-01"]
    assert [row["month"] for row in run(session, as_of="2026-02-10T00:00:00Z", currency="USD")] == [
        "2026-01",
        "2026-02",
    ]


def test_one_currency_alone(session: Session) -> None:
    assert [row["currency"] for row in run(session, currency="JPY")] == ["JPY"]

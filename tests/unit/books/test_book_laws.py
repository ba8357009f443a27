"""Random documents, corrected and recognised in any order: the checks hold and in the end all is earned."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from perennial.checks import books, revenue
from perennial.checks.result import EVERYTHING
from perennial.db.repositories import invoices
from tests.support.ledgers import VAT, Office, line

BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
HOURS = 24 * 150


@dataclass(frozen=True)
class Sale:
    """Hours from the beginning; what becomes of it at `end_at`: paid and credited so much, void, lost or nothing."""

    issued: int
    starts: int
    length: int
    amounts: tuple[int, ...]
    fate: str
    end_at: int
    share: int


SALES = st.builds(
    Sale,
    st.integers(0, HOURS),
    st.integers(-24 * 40, 24 * 40),
    st.integers(0, 24 * 100),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=3).map(tuple),
    st.sampled_from(["paid", "credited", "void", "uncollectible", "open"]),
    st.integers(0, 24 * 90),
    st.integers(1, 100),
)
MONTHS = st.lists(st.sampled_from(["2027-01", "2027-02", "2027-04", "2027-06"]), max_size=3)


def at(hours: int) -> str:
    return (BEGIN + timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M")


def live(office: Office, sale: Sale) -> None:
    starts = sale.issued + sale.starts
    lines = [line(amount, at(starts), at(starts + sale.length)) for amount in sale.amounts]
    key = office.issue(at(sale.issued), *lines, paid=sale.fate in ("paid", "credited"))
    later = at(sale.issued + sale.end_at)
    if sale.fate == "credited":
        office.credit(later, key, max(1, sum(sale.amounts) * sale.share // 100))
        office.credit(later, key, None, ((0, max(1, sale.amounts[0] // 3)),))
    elif sale.fate in ("void", "uncollectible"):
        office.give_up(later, key, sale.fate)
    assert invoices.get(office.session, key)


def findings(office: Office) -> list[object]:
    looks = (
        revenue.deferred_equals_schedule,
        revenue.tax_payable_equals_documents,
        books.books_balance,
        books.receivable_equals_open_invoices,
        books.invoices_add_up,
    )
    return [each for look in looks for each in look(office.session, None, EVERYTHING).findings]  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(SALES, MONTHS), min_size=1, max_size=6),
    st.sampled_from(["UTC", "America/New_York", "Pacific/Auckland"]),
)
# Shrinking what has failed takes minutes.
@settings(max_examples=50, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_books_hold_and_everything_is_earned(engine: Engine, lives: list[tuple[Sale, list[str]]], zone: str) -> None:
    with Session(engine) as session:
        office = Office(session, rates=(VAT,))
        office.seller(zone)
        for sale, months in lives:
            live(office, sale)
            for month in months:
                office.recognise(month)
                assert findings(office) == []
        office.recognise("2029-01")
        assert findings(office) == []
        assert office.balances().get("deferred_revenue", 0) == 0
        net = "SELECT (SELECT coalesce(sum(net), 0) FROM invoices WHERE status <> 'void') - "
        net += "(SELECT coalesce(sum(net), 0) FROM credit_notes)"
        assert -office.balances().get("revenue", 0) == session.execute(text(net)).scalar_one()
        told = "SELECT invoice_id, line_position, month, sum(amount) FROM recognitions GROUP BY 1, 2, 3 "
        told += "HAVING sum(amount) <> 0 ORDER BY 1, 2, 3"
        in_steps = session.execute(text(told)).all()
        # As if none of it had been recognised before: the months are the same.
        session.execute(text("DELETE FROM recognitions"))
        postings = "(SELECT id FROM ledger_transactions WHERE kind = 'revenue_recognised')"
        session.execute(text(f"DELETE FROM ledger_entries WHERE transaction_id IN {postings}"))  # noqa: S608 - our own
        session.execute(text("DELETE FROM ledger_transactions WHERE kind = 'revenue_recognised'"))
        office.recognise("2029-01")
        assert session.execute(text(told)).all() == in_steps
        session.rollback()

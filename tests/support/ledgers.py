"""An office that issues documents through the real repositories, without workflows, and keeps its books."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from uuid import uuid4

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from perennial.books.recognise import Recognised, recognise
from perennial.contracts.activities import Subject
from perennial.db.models import Customer, Seller
from perennial.db.repositories import credit_notes, invoices, ledger
from perennial.domain.calendar import Period
from perennial.domain.ledger import payment_received
from perennial.domain.months import Month
from perennial.domain.subscription.effects import Credit, CreditedPart, InvoiceDraft, Line, LineKind
from perennial.domain.tax import Sale, TaxCategory, TaxRate

VAT = TaxRate("DE", "USt", Decimal(20), TaxCategory.STANDARD, "")
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def day(words: str) -> datetime:
    """`2027-01-15` or `2027-01-15 10:00`, UTC."""
    return datetime.fromisoformat(words).replace(tzinfo=UTC)


def line(
    amount: int, start: str, end: str, kind: LineKind = LineKind.PLAN, corrects: tuple[str, ...] = (), name: str = "it"
) -> Line:
    return Line(kind, name, Decimal(1), amount, Period(day(start), day(end)), corrects=corrects)


@dataclass
class Office:
    """`rates` are the taxes of every sale. Documents are named by their business keys."""

    session: Session
    rates: tuple[TaxRate, ...] = ()
    name: str = "cus_office"
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.name = f"cus_{uuid4().hex[:8]}"
        self.session.execute(
            insert(Customer).values(
                id=self.name, name="Ada", email="ada@example.com", timezone="UTC", created_at=day("2020-01-01")
            )
        )

    def seller(self, timezone: str) -> None:
        self.session.execute(
            insert(Seller).values(id=1, name="Office", timezone=timezone, updated_at=day("2020-01-01"))
        )

    def issue(
        self,
        at: str,
        *lines: Line,
        currency: str = "EUR",
        paid: bool = True,
        gift: str | None = None,
        due: str | None = None,
    ) -> str:
        """Answers the key of the invoice."""
        key = f"invoice:{self.name}:{next(self._numbers)}:period"
        due_at = day(due) if due else None
        draft = InvoiceDraft(key, "renewal", currency, 0, lines[0].period, lines, due_at=due_at)
        issued = invoices.issue(self.session, Subject(self.name, gift_id=gift), draft, day(at), _Rates(self.rates))
        assert issued
        if paid and issued.amount_due:
            self.pay(key, at)
        return key

    def pay(self, key: str, at: str) -> None:
        invoice = invoices.get(self.session, key)
        assert invoices.mark_paid(self.session, invoice.id, day(at))
        posting = payment_received(f"charge:{key}:1", invoice.id, invoice.currency, "simulator", invoice.amount_due)
        ledger.post(self.session, posting, day(at))

    def credit(self, at: str, key: str, amount: int | None, lines: Sequence[tuple[int, int]] = ()) -> None:
        """A credit note onto the customer's balance."""
        effect = Credit(
            f"credit:{self.name}:{next(self._numbers)}",
            "goodwill",
            invoices.get(self.session, key).currency,
            (key,),
            amount,
            refund=False,
            lines=tuple(CreditedPart(position, part) for position, part in lines),
        )
        credit_notes.issue(self.session, Subject(self.name), effect, day(at))

    def give_up(self, at: str, key: str, status: str) -> None:
        invoices.give_up(self.session, invoices.get(self.session, key), status, day(at))

    def recognise(self, through: str, as_of: datetime = FAR) -> list[Recognised]:
        return recognise(self.session, Month.parse(through), as_of)

    def earned(self, account: str = "revenue", currency: str = "EUR") -> dict[str, int]:
        """What recognition has posted to an account, by month."""
        found = self.session.execute(
            text(
                "SELECT t.subject_id AS month, -sum(e.amount) AS amount FROM ledger_transactions t "
                "JOIN ledger_entries e ON e.transaction_id = t.id WHERE t.kind = 'revenue_recognised' "
                "AND e.account = :account AND e.currency = :currency GROUP BY 1 ORDER BY 1"
            ),
            {"account": account, "currency": currency},
        )
        return {month: int(amount) for month, amount in found}

    def balances(self, currency: str = "EUR") -> dict[str, int]:
        """Debit positive; what is nought is left out."""
        found = self.session.execute(
            text(
                "SELECT account, sum(amount) AS amount FROM ledger_entries WHERE currency = :currency "
                "GROUP BY account HAVING sum(amount) <> 0"
            ),
            {"currency": currency},
        )
        return {account.replace(self.name, "us"): int(amount) for account, amount in found}


@dataclass(frozen=True)
class _Rates:
    known: tuple[TaxRate, ...]

    def rates(self, sale: Sale) -> tuple[TaxRate, ...]:
        return self.known

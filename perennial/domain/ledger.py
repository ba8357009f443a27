"""Double entry: which accounts a document moves. Debits are positive, credits negative, and they sum to nought.

Accounts: `receivable` (owed to us), `cash:{gateway}`, `revenue`, `credit:{customer}` (owed to a customer),
`refunds_payable` (on its way back), `bad_debt`.
"""

from dataclasses import dataclass

from perennial.domain.errors import UnbalancedPosting

RECEIVABLE = "receivable"
REVENUE = "revenue"
REFUNDS_PAYABLE = "refunds_payable"
BAD_DEBT = "bad_debt"


def cash(gateway: str) -> str:
    return f"cash:{gateway}"


def customer_credit(customer: str) -> str:
    return f"credit:{customer}"


@dataclass(frozen=True, slots=True)
class Entry:
    """`amount` in minor units: debit positive, credit negative."""

    account: str
    amount: int


@dataclass(frozen=True, slots=True)
class Posting:
    """One balanced transaction of one currency. `key` is its business key, `subject` the document it comes from."""

    key: str
    kind: str
    subject: str
    currency: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if sum(entry.amount for entry in self.entries) != 0:
            raise UnbalancedPosting(self.key)


def _posting(key: str, kind: str, subject: str, currency: str, *entries: Entry) -> Posting:
    return Posting(key, kind, subject, currency, tuple(entry for entry in entries if entry.amount))


def invoice_issued(key: str, invoice: str, currency: str, customer: str, *, due: int, credit: int) -> Posting:
    """We are owed `due`; `credit` was paid from the customer's balance; both are revenue."""
    return _posting(
        f"issue:{key}",
        "invoice_issued",
        invoice,
        currency,
        Entry(RECEIVABLE, due),
        Entry(customer_credit(customer), credit),
        Entry(REVENUE, -due - credit),
    )


def payment_received(charge_key: str, invoice: str, currency: str, gateway: str, amount: int) -> Posting:
    return _posting(
        f"payment:{charge_key}",
        "payment",
        invoice,
        currency,
        Entry(cash(gateway), amount),
        Entry(RECEIVABLE, -amount),
    )


def overpayment_received(
    charge_key: str, invoice: str, currency: str, gateway: str, customer: str, amount: int
) -> Posting:
    """Money for an invoice that is no longer open belongs to the customer."""
    return _posting(
        f"payment:{charge_key}",
        "overpayment",
        invoice,
        currency,
        Entry(cash(gateway), amount),
        Entry(customer_credit(customer), -amount),
    )


def invoice_voided(key: str, invoice: str, currency: str, customer: str, *, due: int, credit: int) -> Posting:
    """As if it had never been issued: credit that it used goes back."""
    return _posting(
        f"void:{key}",
        "invoice_voided",
        invoice,
        currency,
        Entry(REVENUE, due + credit),
        Entry(RECEIVABLE, -due),
        Entry(customer_credit(customer), -credit),
    )


def invoice_written_off(key: str, invoice: str, currency: str, due: int) -> Posting:
    return _posting(
        f"write_off:{key}",
        "invoice_uncollectible",
        invoice,
        currency,
        Entry(BAD_DEBT, due),
        Entry(RECEIVABLE, -due),
    )


def credit_note_issued(
    key: str, credit_note: str, currency: str, customer: str, *, refunded: int, credited: int
) -> Posting:
    return _posting(
        f"issue:{key}",
        "credit_note_issued",
        credit_note,
        currency,
        Entry(REVENUE, refunded + credited),
        Entry(REFUNDS_PAYABLE, -refunded),
        Entry(customer_credit(customer), -credited),
    )


def refund_sent(refund_key: str, credit_note: str, currency: str, gateway: str, amount: int) -> Posting:
    return _posting(
        f"payment:{refund_key}",
        "refund",
        credit_note,
        currency,
        Entry(REFUNDS_PAYABLE, amount),
        Entry(cash(gateway), -amount),
    )


def refund_failed(refund_key: str, credit_note: str, currency: str, customer: str, amount: int) -> Posting:
    """The gateway will not send it back: it stays with us as the customer's credit."""
    return _posting(
        f"payment:{refund_key}",
        "refund_failed",
        credit_note,
        currency,
        Entry(REFUNDS_PAYABLE, amount),
        Entry(customer_credit(customer), -amount),
    )

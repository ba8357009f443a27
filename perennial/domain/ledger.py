"""Double entry: which accounts a document moves. Debits are positive, credits negative, and they sum to nought.

Accounts: `receivable` (owed to us), `cash:{gateway}`, `revenue` (earned), `deferred_revenue` (billed for service that
lies ahead), `tax_payable:{jurisdiction}`, `credit:{customer}` (owed to a customer), `refunds_payable` (on its way
back), `bad_debt`, `promotional_credit` (given away), `breakage` (credit and gifts that expired),
`disputed:{gateway}` (with the bank until it has decided), `dispute_losses`. The chart is `perennial/domain/chart.py`,
told in `docs/books.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from perennial.domain.errors import UnbalancedPosting

RECEIVABLE = "receivable"
REVENUE = "revenue"
DEFERRED_REVENUE = "deferred_revenue"
REFUNDS_PAYABLE = "refunds_payable"
BAD_DEBT = "bad_debt"
PROMOTIONAL_CREDIT = "promotional_credit"
BREAKAGE = "breakage"
ROUNDING = "rounding"
DISPUTE_LOSSES = "dispute_losses"


def cash(gateway: str) -> str:
    return f"cash:{gateway}"


def disputed(gateway: str) -> str:
    """Ours still, and not with us: the bank holds it until it has decided."""
    return f"disputed:{gateway}"


def customer_credit(customer: str) -> str:
    return f"credit:{customer}"


def tax_payable(jurisdiction: str) -> str:
    return f"tax_payable:{jurisdiction}"


@dataclass(frozen=True, slots=True)
class Worth:
    """What a document is for: service that lies `ahead`, what is `earned` already, `taxes` by jurisdiction."""

    ahead: int
    earned: int
    taxes: Mapping[str, int]

    def entries(self, sign: int) -> tuple["Entry", ...]:
        return (
            Entry(DEFERRED_REVENUE, sign * self.ahead),
            Entry(REVENUE, sign * self.earned),
            *(Entry(tax_payable(place), sign * amount) for place, amount in self.taxes.items()),
        )


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


def _transfer(key: str, kind: str, subject: str, currency: str, amount: int, *, debit: str, credit: str) -> Posting:
    """One amount from the account `credit` to the account `debit`."""
    return _posting(key, kind, subject, currency, Entry(debit, amount), Entry(credit, -amount))


def invoice_issued(
    key: str, invoice: str, currency: str, customer: str, *, due: int, credit: int, worth: Worth
) -> Posting:
    """We are owed `due`; `credit` was paid from the customer's balance."""
    return _posting(
        f"issue:{key}",
        "invoice_issued",
        invoice,
        currency,
        Entry(RECEIVABLE, due),
        Entry(customer_credit(customer), credit),
        *worth.entries(-1),
    )


def payment_received(charge_key: str, invoice: str, currency: str, gateway: str, amount: int) -> Posting:
    return _transfer(
        f"payment:{charge_key}", "payment", invoice, currency, amount, debit=cash(gateway), credit=RECEIVABLE
    )


def overpayment_received(
    charge_key: str, invoice: str, currency: str, gateway: str, customer: str, amount: int
) -> Posting:
    """Money for an invoice that is no longer open belongs to the customer."""
    return _transfer(
        f"payment:{charge_key}",
        "overpayment",
        invoice,
        currency,
        amount,
        debit=cash(gateway),
        credit=customer_credit(customer),
    )


def invoice_voided(key: str, invoice: str, currency: str, issued: tuple[Entry, ...]) -> Posting:
    """As if it had never been issued: every entry of its posting goes back, credit that it used too."""
    back = (Entry(entry.account, -entry.amount) for entry in issued)
    return _posting(f"void:{key}", "invoice_voided", invoice, currency, *back)


def invoice_written_off(key: str, invoice: str, currency: str, due: int) -> Posting:
    return _transfer(
        f"write_off:{key}", "invoice_uncollectible", invoice, currency, due, debit=BAD_DEBT, credit=RECEIVABLE
    )


def credit_note_issued(
    key: str, credit_note: str, currency: str, customer: str, *, refunded: int, credited: int, worth: Worth
) -> Posting:
    return _posting(
        f"issue:{key}",
        "credit_note_issued",
        credit_note,
        currency,
        *worth.entries(1),
        Entry(REFUNDS_PAYABLE, -refunded),
        Entry(customer_credit(customer), -credited),
    )


def refund_sent(refund_key: str, credit_note: str, currency: str, gateway: str, amount: int) -> Posting:
    return _transfer(
        f"payment:{refund_key}", "refund", credit_note, currency, amount, debit=REFUNDS_PAYABLE, credit=cash(gateway)
    )


def refund_failed(refund_key: str, credit_note: str, currency: str, customer: str, amount: int) -> Posting:
    """The gateway will not send it back: it stays with us as the customer's credit."""
    return _transfer(
        f"payment:{refund_key}",
        "refund_failed",
        credit_note,
        currency,
        amount,
        debit=REFUNDS_PAYABLE,
        credit=customer_credit(customer),
    )


def refund_returned(
    refund_key: str, credit_note: str, currency: str, gateway: str, customer: str, amount: int
) -> Posting:
    """The gateway had sent it, and it came back: the money is with us again, and is the customer's credit."""
    return _transfer(
        f"returned:{refund_key}",
        "refund_returned",
        credit_note,
        currency,
        amount,
        debit=cash(gateway),
        credit=customer_credit(customer),
    )


def dispute_opened(key: str, dispute: str, currency: str, gateway: str, amount: int) -> Posting:
    return _transfer(
        f"opened:{key}", "dispute_opened", dispute, currency, amount, debit=disputed(gateway), credit=cash(gateway)
    )


def dispute_won(key: str, dispute: str, currency: str, gateway: str, amount: int) -> Posting:
    return _transfer(
        f"won:{key}", "dispute_won", dispute, currency, amount, debit=cash(gateway), credit=disputed(gateway)
    )


def dispute_lost(
    key: str, dispute: str, currency: str, gateway: str, customer: str, amount: int, *, credit: int = 0
) -> Posting:
    """The customer has it. `credit` of it they had from us as well: that is taken back, the rest is our loss."""
    return _posting(
        f"lost:{key}",
        "dispute_lost",
        dispute,
        currency,
        Entry(customer_credit(customer), credit),
        Entry(DISPUTE_LOSSES, amount - credit),
        Entry(disputed(gateway), -amount),
    )


def dispute_overturned(
    key: str, dispute: str, currency: str, gateway: str, customer: str, amount: int, *, won: bool, credit: int = 0
) -> Posting:
    """The bank has reversed its decision: as if the other one had been made. `credit` is given, or taken, as well."""
    sign = 1 if won else -1
    return _posting(
        key,
        "dispute_overturned",
        dispute,
        currency,
        Entry(cash(gateway), sign * amount),
        Entry(DISPUTE_LOSSES, -sign * (amount - credit)),
        Entry(customer_credit(customer), -sign * credit),
    )


def dispute_credit_taken(key: str, dispute: str, currency: str, customer: str, amount: int) -> Posting:
    """A refund of the charge failed after the dispute was lost, and became credit: they have that from the bank."""
    return _transfer(
        f"taken:{key}",
        "dispute_credit_taken",
        dispute,
        currency,
        amount,
        debit=customer_credit(customer),
        credit=DISPUTE_LOSSES,
    )


def credit_granted(key: str, grant: str, currency: str, customer: str, amount: int) -> Posting:
    """Given without anything in return: what it costs us is known at once."""
    return _transfer(
        key, "credit_granted", grant, currency, amount, debit=PROMOTIONAL_CREDIT, credit=customer_credit(customer)
    )


def credit_expired(key: str, grant: str, currency: str, customer: str, amount: int) -> Posting:
    """What the customer has not used is ours."""
    return _transfer(
        f"expire:{key}", "credit_expired", grant, currency, amount, debit=customer_credit(customer), credit=BREAKAGE
    )


def revenue_recognised(key: str, month: str, currency: str, *, revenue: int, breakage: int) -> Posting:
    """What was billed ahead has been earned in `month` (`2027-03`); negative: it was taken back.

    `breakage` was paid for and will not be asked for any more: gifts that nobody claimed.
    """
    return _posting(
        key,
        "revenue_recognised",
        month,
        currency,
        Entry(DEFERRED_REVENUE, revenue + breakage),
        Entry(REVENUE, -revenue),
        Entry(BREAKAGE, -breakage),
    )

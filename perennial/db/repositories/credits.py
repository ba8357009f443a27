"""A customer's credit: what we owe them, used up by their next invoices."""

from datetime import datetime

from sqlalchemy.orm import Session

from perennial.db.repositories import ledger


def use(session: Session, customer_id: str, currency: str, wanted: int, as_of: datetime) -> int:
    """Takes at most `wanted` (minor units) off the credit; answers how much. Locked until the transaction ends."""
    used = min(ledger.lock_credit(session, customer_id, currency), wanted)
    ledger.use_credit(session, customer_id, currency, used)
    return used


def give(session: Session, customer_id: str, currency: str, amount: int, key: str, as_of: datetime) -> None:
    """Credit that does not expire. `key` is the business key of what it comes from; once each."""
    ledger.add_credit(session, customer_id, currency, amount)


def give_back(session: Session, customer_id: str, currency: str, amount: int, invoice_id: str, as_of: datetime) -> None:
    """What the voided invoice had used: to the grants that it came from, or anew if those have expired."""
    ledger.add_credit(session, customer_id, currency, amount)


def balance(session: Session, customer_id: str, currency: str, as_of: datetime) -> int:
    """What could be used at `as_of`, minor units."""
    return ledger.credit_balance(session, customer_id, currency)

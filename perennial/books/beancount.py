"""The ledger as a beancount file, which `bean-check` proves: every transaction balances, every balance is asserted.

Amounts have exactly the digits of their currency. Customers appear by their ids alone.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.orm import Session

from perennial.books.accounts import beancount_names
from perennial.db.repositories import journal, recognitions
from perennial.db.repositories.journal import Transaction, UsedAccount
from perennial.domain import calendar
from perennial.domain.money import Money, exponent

_DAY = timedelta(days=1)
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def write(session: Session, as_of: datetime | None) -> Iterator[str]:
    """The lines of the file, without their ends: everything posted up to `as_of` inclusive.

    Dates are those of the seller's time zone. The caller has one snapshot of the database for the whole of it.
    """
    timezone = recognitions.timezone(session)
    accounts = journal.accounts(session, as_of)
    names = beancount_names(account.name for account in accounts)
    yield 'option "title" "Perennial"'
    yield from _commodities(accounts, timezone)
    yield from _opened(accounts, names, timezone)
    balances: Counter[tuple[str, str]] = Counter()
    last: date | None = None
    for transaction in journal.transactions(session, as_of):
        last = _date(transaction.at, timezone)
        yield from _transaction(transaction, last, names)
        for entry in transaction.entries:
            balances[entry.account, entry.currency] += entry.amount
    if last is not None:
        yield from _asserted(balances, names, last + _DAY)


def _commodities(accounts: Sequence[UsedAccount], timezone: str) -> Iterator[str]:
    currencies = sorted({currency for account in accounts for currency in account.currencies})
    for currency in currencies:
        first = min(account.first_at for account in accounts if currency in account.currencies)
        yield ""
        yield f"{_date(first, timezone)} commodity {currency}"
        yield f"  precision: {exponent(currency)}"


def _opened(accounts: Sequence[UsedAccount], names: Mapping[str, str], timezone: str) -> Iterator[str]:
    yield ""
    for account in accounts:
        yield f"{_date(account.first_at, timezone)} open {names[account.name]} {','.join(account.currencies)}"
        yield f"  ledger: {quoted(account.name)}"


def _transaction(transaction: Transaction, day: date, names: Mapping[str, str]) -> Iterator[str]:
    yield ""
    yield f"{day} * {quoted(transaction.kind)} {quoted(transaction.subject)}"
    yield f"  key: {quoted(transaction.key)}"
    yield f"  at: {quoted(transaction.at.astimezone(UTC).isoformat().replace('+00:00', 'Z'))}"
    for entry in transaction.entries:
        yield f"  {names[entry.account]}  {_amount(entry.amount, entry.currency)} {entry.currency}"


def _asserted(balances: Mapping[tuple[str, str], int], names: Mapping[str, str], day: date) -> Iterator[str]:
    """A balance holds at the beginning of its day. `~ 0`: exactly; otherwise a unit more or less would pass."""
    yield ""
    for (account, currency), amount in sorted(balances.items()):
        yield f"{day} balance {names[account]}  {_amount(amount, currency)} ~ 0 {currency}"


def _amount(minor: int, currency: str) -> str:
    return f"{Money(minor, currency).major:f}"


def _date(at: datetime, timezone: str) -> date:
    return calendar.to_wall(at, timezone).date()


def quoted(words: str) -> str:
    """A beancount string: nothing in it ends it early."""
    return f'"{words.translate(_ESCAPES)}"'

"""What every account holds: the two columns under which books are closed."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.domain import chart
from perennial.reports.report import Column, Kind, Parameter, ParameterKind, Parameters, Report, Row

_BALANCES = text(
    """
SELECT e.currency, e.account, sum(e.amount) AS amount
FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
WHERE (CAST(:as_of AS timestamptz) IS NULL OR t.at <= :as_of)
  AND (CAST(:currency AS text) IS NULL OR e.currency = :currency)
GROUP BY e.currency, e.account HAVING sum(e.amount) <> 0
"""
)


def trial_balance(session: Session, parameters: Parameters) -> list[Row]:
    """The balance of every account that is not empty, by currency, in minor units, up to `as_of` inclusive.

    An account stands with its balance under `debit` or `credit`, and nought in the other column. In each currency both
    columns have the same sum, so `debit` less `credit` comes to nought over the whole report. Customers' credit is one
    account for each customer, cash one for each gateway, tax one for each jurisdiction. What the accounts are
    is told in `docs/books.md`.
    """
    found = session.execute(_BALANCES, dict(parameters))
    rows = [_row(row.currency, row.account, int(row.amount)) for row in found]
    return sorted(rows, key=lambda row: (row["currency"], chart.place(row["account"])))


def _row(currency: str, name: str, amount: int) -> Row:
    account = chart.account(name)
    return {
        "currency": currency,
        "account": name,
        "title": account.title,
        "kind": account.kind.value,
        "debit": max(amount, 0),
        "credit": max(-amount, 0),
    }


REPORT = Report(
    name="trial-balance",
    title="Trial balance",
    columns=(
        Column("currency", "Currency"),
        Column("account", "Account"),
        Column("title", "Title"),
        Column("kind", "Kind"),
        Column("debit", "Debit", Kind.MONEY),
        Column("credit", "Credit", Kind.MONEY),
    ),
    parameters=(
        Parameter("as_of", ParameterKind.INSTANT, "Nothing later than this instant."),
        Parameter("currency", ParameterKind.CURRENCY, "Only this currency."),
    ),
    run=trial_balance,
)

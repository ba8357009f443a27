"""The chart of accounts: what each account of the ledger is. Debits are positive, credits negative.

`docs/books.md` tells which document moves which of them.
"""

from dataclasses import dataclass
from enum import StrEnum

from perennial.domain import ledger
from perennial.domain.errors import NotFound


class AccountKind(StrEnum):
    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"

    @property
    def is_debit(self) -> bool:
        """Whether it normally has a debit balance."""
        return self in (AccountKind.ASSET, AccountKind.EXPENSE)


@dataclass(frozen=True, slots=True)
class Account:
    """`name` as it stands in the ledger; `group` is the part before the colon, `member` what comes after it.

    A group has one account for each gateway, jurisdiction or customer.
    """

    name: str
    kind: AccountKind
    title: str
    group: str
    member: str | None = None

    @property
    def parent(self) -> str | None:
        return self.group if self.member is not None else None


# In the order of a balance sheet, then of an income statement. "{}" is where the member is named.
_SINGLE: dict[str, tuple[AccountKind, str]] = {
    ledger.RECEIVABLE: (AccountKind.ASSET, "Accounts receivable"),
    ledger.DEFERRED_REVENUE: (AccountKind.LIABILITY, "Deferred revenue"),
    ledger.REFUNDS_PAYABLE: (AccountKind.LIABILITY, "Refunds payable"),
    ledger.REVENUE: (AccountKind.INCOME, "Revenue"),
    ledger.BREAKAGE: (AccountKind.INCOME, "Breakage"),
    ledger.BAD_DEBT: (AccountKind.EXPENSE, "Bad debt"),
    ledger.PROMOTIONAL_CREDIT: (AccountKind.EXPENSE, "Promotional credit"),
    ledger.DISPUTE_LOSSES: (AccountKind.EXPENSE, "Lost to disputes"),
    ledger.ROUNDING: (AccountKind.EXPENSE, "Rounding differences"),
}
_GROUPS: dict[str, tuple[AccountKind, str]] = {
    "cash": (AccountKind.ASSET, "Cash at {}"),
    "disputed": (AccountKind.ASSET, "Disputed at {}"),
    "tax_payable": (AccountKind.LIABILITY, "Tax payable, {}"),
    "credit": (AccountKind.LIABILITY, "Credit of customer {}"),
    "fees": (AccountKind.EXPENSE, "Fees of {}"),
}
GROUPS: tuple[str, ...] = (
    "cash",
    "disputed",
    ledger.RECEIVABLE,
    ledger.DEFERRED_REVENUE,
    "tax_payable",
    "credit",
    ledger.REFUNDS_PAYABLE,
    ledger.REVENUE,
    ledger.BREAKAGE,
    ledger.BAD_DEBT,
    ledger.PROMOTIONAL_CREDIT,
    ledger.DISPUTE_LOSSES,
    "fees",
    ledger.ROUNDING,
)
"""Every group and single account, in the order in which reports tell them."""


def account(name: str) -> Account:
    """What the account of this name is.

    Raises:
        NotFound: if the chart does not have it.
    """
    group, colon, member = name.partition(":")
    if not colon and name in _SINGLE:
        kind, title = _SINGLE[name]
        return Account(name, kind, title, name)
    if member and group in _GROUPS:
        kind, title = _GROUPS[group]
        return Account(name, kind, title.format(member), group, member)
    raise NotFound("account", name)


def place(name: str) -> tuple[int, str]:
    """Sorts accounts: by group, then by name."""
    return GROUPS.index(account(name).group), name

"""Names of our accounts in beancount: `tax_payable:DE` is `Liabilities:TaxPayable:DE`."""

import re
from collections.abc import Iterable

from perennial.domain import chart
from perennial.domain.chart import AccountKind

_ROOTS = {
    AccountKind.ASSET: "Assets",
    AccountKind.LIABILITY: "Liabilities",
    AccountKind.EQUITY: "Equity",
    AccountKind.INCOME: "Income",
    AccountKind.EXPENSE: "Expenses",
}
# A part begins with a capital letter or a digit; letters, digits and dashes follow.
_STRANGE = re.compile(r"[^A-Za-z0-9-]")


def beancount_names(names: Iterable[str]) -> dict[str, str]:
    """A name of its own for each account; of two that would be the same, the later gets a number."""
    given: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names):
        wanted = free = _name(name)
        n = 1
        while free in taken:
            n += 1
            free = f"{wanted}-{n}"
        taken.add(free)
        given[name] = free
    return given


def _name(name: str) -> str:
    account = chart.account(name)
    group = "".join(word.capitalize() for word in account.group.split("_"))
    root = f"{_ROOTS[account.kind]}:{group}"
    return root if account.member is None else f"{root}:{_part(account.member)}"


def _part(member: str) -> str:
    part = _STRANGE.sub("-", member)
    return part[0].upper() + part[1:] if part[0].isalnum() else f"X{part}"

"""Which gateway new business goes to, and which come after it when it is out of order. Pure: rules are data.

The first rule that fits decides. Within it customers are spread by a stable number of theirs, so that a customer stays
where they are; a gateway whose share grows takes from its neighbours and leaves everybody else alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

from perennial.domain.errors import InvalidInput

WHOLE = 100
MOST_RULES = 100


class NoGateway(InvalidInput):
    """No gateway that is enabled takes this currency."""

    code: ClassVar[str] = "no_gateway"


@dataclass(frozen=True, slots=True)
class Share:
    """`percent` of the customers go here first; 0: only when those before it are out of order."""

    gateway: str
    percent: int


@dataclass(frozen=True, slots=True)
class Rule:
    """`currency` (ISO 4217) and `country` (ISO 3166-1 alpha-2) of the customer; None fits all of them.

    The order of `shares` is the order of failover.
    """

    shares: tuple[Share, ...]
    currency: str | None = None
    country: str | None = None

    def fits(self, currency: str, country: str | None) -> bool:
        return self.currency in (None, currency) and self.country in (None, country)


def check(rules: Sequence[Rule], known: Iterable[str]) -> None:
    """Raises InvalidInput: shares that do not add up, a gateway unknown or named twice, a rule never reached."""
    known, before = set(known), list[Rule]()
    if len(rules) > MOST_RULES:
        raise InvalidInput(f"at most {MOST_RULES} rules", field="rules")
    for n, rule in enumerate(rules):
        names = [share.gateway for share in rule.shares]
        if unknown := sorted(set(names) - known):
            raise InvalidInput(f"no gateway {unknown[0]!r}; there are {', '.join(sorted(known))}", field=f"rules.{n}")
        if len(names) != len(set(names)):
            raise InvalidInput("a gateway is named twice", field=f"rules.{n}")
        if any(share.percent < 0 for share in rule.shares) or sum(share.percent for share in rule.shares) != WHOLE:
            raise InvalidInput(f"the shares must add up to {WHOLE}", field=f"rules.{n}")
        if any(_covers(earlier, rule) for earlier in before):
            raise InvalidInput("an earlier rule fits all that this one fits", field=f"rules.{n}")
        before.append(rule)


def order(
    rules: Sequence[Rule], customer_id: str, currency: str, country: str | None, takes: Mapping[str, bool]
) -> tuple[str, ...]:
    """The gateways for this customer, the best first: each that takes the currency once.

    `takes`: of the enabled gateways, in the order of the settings, whether they take the currency.

    Raises:
        NoGateway: none does.
    """
    rule = next((rule for rule in rules if rule.fits(currency, country)), None)
    wanted = _wanted(rule, customer_id) if rule else []
    usable = [name for name in dict.fromkeys((*wanted, *takes)) if takes.get(name)]
    if not usable:
        raise NoGateway(f"no gateway that is enabled takes {currency}", field="currency")
    return tuple(usable)


def bucket(customer_id: str) -> int:
    """From 0 to 99, the same for ever: it does not depend on the rules, the process or the machine."""
    return int.from_bytes(sha256(customer_id.encode()).digest()[:8], "big") % WHOLE


def _wanted(rule: Rule, customer_id: str) -> list[str]:
    """The gateway in whose share the customer falls, then the others as the rule has them."""
    place, end = bucket(customer_id), 0
    first = rule.shares[0].gateway
    for share in rule.shares:
        end += share.percent
        if place < end:
            first = share.gateway
            break
    return [first, *(share.gateway for share in rule.shares if share.gateway != first)]


def _covers(earlier: Rule, later: Rule) -> bool:
    return earlier.currency in (None, later.currency) and earlier.country in (None, later.country)

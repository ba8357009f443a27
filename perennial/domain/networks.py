"""What the card networks allow on top of a dunning policy: how often one card may be tried, and when never again.

Networks fine excessive retries and change their figures, so the limits are dated data: the entry in force at the time
of the attempt counts. Windows roll back from that time and include their edge, which is never laxer than any calendar
window. An approval in between sets no counter back.

Sources: support.checkout.com "When can I retry a declined transaction" (Visa from 2025-05-19: 20 instead of 15, and one
counter each for merchant and customer); developers.tabapay.com "Excessive retry rules" (Visa category 1, Mastercard);
docs.dintero.com, docs.rapyd.net (Mastercard advice codes). Checked 2026-11-21.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from perennial.domain.errors import CommandRefused

# What an attempt is declined with that is not sent because of this.
BUDGET_EXCEEDED = "network_budget_exceeded"
NEVER_RETRY = "network_never_retry"
REFUSED = frozenset({BUDGET_EXCEEDED, NEVER_RETRY})
_DAY = timedelta(days=1)
_MONTH = timedelta(days=30)

# The issuer will never approve: pick up, invalid, no issuer, lost, stolen, closed, not permitted, stopped, revoked.
NEVER_AFTER_RESPONSE = frozenset({"04", "07", "12", "14", "15", "41", "43", "46", "57", "R0", "R1", "R3"})
# Do not try again; payment cancelled.
NEVER_AFTER_ADVICE = frozenset({"03", "21"})


class Initiator(StrEnum):
    """Who asked for the attempt: the engine by its schedule, or the customer."""

    MERCHANT = "merchant"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to come. `card` is whatever stands for the account number across payment methods; minor units."""

    card: str
    amount: int
    currency: str
    initiator: Initiator


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """An attempt that was made, for whatever subscription. `original` is the first one of its invoice."""

    at: datetime
    attempt: Attempt
    original: bool = False
    response_code: str | None = None
    advice_code: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` attempts of one card, amount and currency within `window`."""

    name: str
    most: int
    window: timedelta
    counts_originals: bool
    by_initiator: bool


@dataclass(frozen=True, slots=True)
class NetworkRules:
    network: str
    since: datetime
    limits: tuple[Limit, ...]


RULES: tuple[NetworkRules, ...] = (
    NetworkRules(
        "visa",
        datetime(2021, 4, 17, tzinfo=UTC),
        (Limit("reattempts_30d", 15, _MONTH, counts_originals=False, by_initiator=False),),
    ),
    NetworkRules(
        "visa",
        datetime(2025, 5, 19, tzinfo=UTC),
        (Limit("reattempts_30d", 20, _MONTH, counts_originals=False, by_initiator=True),),
    ),
    NetworkRules(
        "mastercard",
        datetime(2023, 2, 1, tzinfo=UTC),
        (
            Limit("attempts_24h", 10, _DAY, counts_originals=True, by_initiator=False),
            Limit("attempts_30d", 35, _MONTH, counts_originals=True, by_initiator=False),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Budget:
    """Whether an attempt may be made now; `reason` is `ok`, `never_retry` or the name of the limit.

    `again_at`: when a limit that refuses it will allow it again, if nothing else is tried until then.
    """

    allow: bool
    reason: str
    again_at: datetime | None = None


BARRED = Budget(allow=False, reason="never_retry")


class CardBudgetSpent(CommandRefused):
    """The network forbids one more attempt for now; nothing has been sent."""

    code = BUDGET_EXCEEDED

    def __init__(self, subject: str, again_at: datetime) -> None:
        super().__init__(
            subject, f"the card has been tried as often as its network allows; again from {again_at.isoformat()}"
        )
        self.again_at = again_at


class CardBarred(CommandRefused):
    """The card's bank has said that it will never approve; nothing has been sent."""

    code = NEVER_RETRY

    def __init__(self, subject: str) -> None:
        super().__init__(subject, "the card's bank will never approve it: another payment method is needed")


def bars(response_code: str | None, advice_code: str | None) -> bool:
    """Whether a network's answer forbids every further attempt with the card."""
    return response_code in NEVER_AFTER_RESPONSE or advice_code in NEVER_AFTER_ADVICE


def counts(network: str, now: datetime, *, original: bool) -> bool:
    """Whether the network counts such an attempt at `now`: if not, there is nothing to look up."""
    return any(limit.counts_originals or not original for limit in _limits(network, now))


def longest_window(network: str, now: datetime) -> timedelta:
    """How far back attempts count."""
    return max((limit.window for limit in _limits(network, now)), default=timedelta())


def may_attempt(network: str, attempt: Attempt, now: datetime, history: Sequence[PastAttempt]) -> Budget:
    """Whether `attempt` may be made at `now` (UTC), after what has been tried with its card and others.

    A network without rules allows everything but what a response or advice code has forbidden.
    """
    card = [past for past in history if past.attempt.card == attempt.card]
    if any(bars(past.response_code, past.advice_code) for past in card):
        # For good, whatever the amount: another payment method is another card.
        return BARRED
    spent: dict[str, datetime] = {}
    for limit in _limits(network, now):
        counted = sorted(past.at for past in _counted(limit, attempt, now, card))
        if len(counted) >= limit.most:
            # The edge of the window belongs to it: a second later it is free.
            spent[limit.name] = counted[-limit.most] + limit.window + timedelta(seconds=1)
    if spent:
        return Budget(allow=False, reason=next(iter(spent)), again_at=max(spent.values()))
    return Budget(allow=True, reason="ok")


def _limits(network: str, now: datetime) -> tuple[Limit, ...]:
    in_force = [rules for rules in RULES if rules.network == network and rules.since <= now]
    return max(in_force, key=lambda rules: rules.since).limits if in_force else ()


def _counted(limit: Limit, attempt: Attempt, now: datetime, card: Iterable[PastAttempt]) -> Iterable[PastAttempt]:
    for past in card:
        same = (past.attempt.amount, past.attempt.currency) == (attempt.amount, attempt.currency)
        ours = past.attempt.initiator is attempt.initiator or not limit.by_initiator
        if same and ours and (limit.counts_originals or not past.original) and past.at >= now - limit.window:
            yield past

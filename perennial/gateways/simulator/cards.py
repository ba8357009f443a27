"""Test cards: what each token does. The names follow the test cards that gateways publish.

A token may carry a suffix after a colon (`pm_card_visa:ada`): the same behaviour, with counters of its own.
Numbers in a token: `pm_card_declines_3_times`, `pm_card_slow_250` (milliseconds).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

from perennial.ports import CardDetails, UnknownToken

_MONTHS = range(1, 13)


@dataclass(frozen=True, slots=True)
class Card:
    """A script. Charge numbers count from 1 over the charges of one token for one customer; times are milliseconds."""

    brand: str = "visa"
    last4: str = "4242"
    exp_month: int = 12
    exp_year: int = 2034
    # Declined with this code, from charge `decline_from` to `decline_to` (None: for ever).
    decline_code: str | None = None
    decline_from: int = 1
    decline_to: int | None = None
    # The network's own words on a decline.
    response_code: str | None = None
    advice_code: str | None = None
    # 3-D Secure: for every off-session charge, or until the customer has authenticated once.
    authenticate_off_session: bool = False
    authenticate_once: bool = False
    # The answer is lost after the charge was recorded, once a key / before, once a key / the first n calls are refused.
    loses_answer: bool = False
    times_out_first: bool = False
    outage_calls: int = 0
    slow_ms: int = 0
    # Accepted, and decided later.
    processing_ms: int | None = None
    # Announces synchronous outcomes too, so late and so often.
    webhook_late_ms: int | None = None
    webhook_deliveries: int = 1
    refund_failure: str | None = None
    # A refund is accepted, and ends by itself so much later (well, unless `refund_failure` says how).
    refund_pending_ms: int | None = None

    @property
    def counts(self) -> bool:
        """Whether the outcome of a charge depends on the charges before it."""
        return self.decline_from > 1 or self.decline_to is not None or self.authenticate_once

    @property
    def announces(self) -> bool:
        return self.webhook_late_ms is not None or self.webhook_deliveries > 1

    def declines(self, charge_number: int) -> bool:
        last = self.decline_to
        return (
            self.decline_code is not None
            and charge_number >= self.decline_from
            and (last is None or charge_number <= last)
        )


def card(token: str) -> Card:
    """The script behind a token.

    Raises:
        UnknownToken: no such test card, or its numbers make no sense.
    """
    name = token.partition(":")[0]
    found = _BY_NAME.get(name)
    if found is not None:
        return found
    for pattern, make in _BY_PATTERN:
        if match := pattern.fullmatch(name):
            return make(*(int(number) for number in match.groups()))
    raise UnknownToken(f"the simulator knows no payment method {token!r}")


def describe(token: str) -> CardDetails:
    """What may be shown of the card. Raises UnknownToken.

    A plain token is a card of its own for each customer, like its counters; one with a suffix is one physical card,
    whoever has it.
    """
    script = card(token)
    return CardDetails(
        brand=script.brand,
        last4=script.last4,
        exp_month=script.exp_month,
        exp_year=script.exp_year,
        fingerprint=sha256(token.encode()).hexdigest()[:16] if ":" in token else None,
    )


def replaced(token: str, card: CardDetails, times: int) -> CardDetails:
    """The card that the bank has sent in the stead of this one, so many times: another number, valid for longer."""
    if not times:
        return card
    return replace(
        card,
        last4=f"{(int(card.last4) + times) % 10_000:04}",
        exp_year=card.exp_year + 3 * times,
        fingerprint=sha256(f"{token}/{times}".encode()).hexdigest()[:16] if card.fingerprint else None,
    )


def _range(first: int, last: int) -> Card:
    if not 1 <= first <= last:
        raise UnknownToken(f"there are no charges {first} to {last}")
    return Card(last4="7003", decline_code="insufficient_funds", decline_from=first, decline_to=last)


def _expires(year: int, month: int) -> Card:
    if month not in _MONTHS:
        raise UnknownToken(f"a card cannot expire in month {month}")
    return Card(exp_year=year, exp_month=month)


_BY_NAME: dict[str, Card] = {
    "pm_card_visa": Card(),
    "pm_card_mastercard": Card(brand="mastercard", last4="4444"),
    "pm_card_amex": Card(brand="amex", last4="0005"),
    "pm_card_chargeDeclined": Card(last4="0002", decline_code="generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": Card(last4="9995", decline_code="insufficient_funds"),
    "pm_card_chargeDeclinedLostCard": Card(last4="9987", decline_code="lost_card"),
    "pm_card_chargeDeclinedStolenCard": Card(last4="9979", decline_code="stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": Card(last4="0069", decline_code="expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": Card(last4="0127", decline_code="incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": Card(last4="0119", decline_code="processing_error"),
    "pm_card_chargeDeclinedDoNotHonor": Card(last4="0028", decline_code="do_not_honor"),
    "pm_card_chargeDeclinedFraudulent": Card(last4="0036", decline_code="fraudulent"),
    "pm_card_mastercardInsufficientFunds": Card("mastercard", "9996", decline_code="insufficient_funds"),
    "pm_card_networkResponse43": Card(last4="9943", decline_code="stolen_card", response_code="43"),
    "pm_card_networkAdvice03": Card("mastercard", "9903", decline_code="do_not_honor", advice_code="03"),
    "pm_card_authenticationRequired": Card(last4="3184", authenticate_off_session=True),
    "pm_card_threeDSecureOnce": Card(last4="3155", authenticate_once=True),
    "pm_card_captures_then_times_out": Card(last4="5001", loses_answer=True),
    "pm_card_times_out_before_capture": Card(last4="5002", times_out_first=True),
    "pm_card_webhook_twice": Card(last4="6002", webhook_deliveries=2),
    "pm_card_refundFail": Card(last4="5126", refund_failure="lost_or_stolen_card"),
}

_BY_PATTERN: tuple[tuple[re.Pattern[str], Callable[..., Card]], ...] = (
    (
        re.compile(r"pm_card_declines_(\d{1,6})_times"),
        lambda n: Card(last4="7001", decline_code="insufficient_funds", decline_to=n),
    ),
    (
        re.compile(r"pm_card_dies_after_(\d{1,6})"),
        lambda n: Card(last4="7002", decline_code="expired_card", decline_from=n + 1),
    ),
    (re.compile(r"pm_card_declines_charges_(\d{1,6})_to_(\d{1,6})"), _range),
    (re.compile(r"pm_card_slow_(\d{1,5})"), lambda ms: Card(last4="8001", slow_ms=ms)),
    (re.compile(r"pm_card_webhook_late_(\d{1,6})"), lambda ms: Card(last4="6001", webhook_late_ms=ms)),
    (re.compile(r"pm_card_outage_(\d{1,6})"), lambda n: Card(last4="5003", outage_calls=n)),
    (re.compile(r"pm_card_processing_(\d{1,6})"), lambda ms: Card(last4="8002", processing_ms=ms)),
    (
        re.compile(r"pm_card_processing_fails_(\d{1,6})"),
        lambda ms: Card(last4="8003", processing_ms=ms, decline_code="generic_decline"),
    ),
    (re.compile(r"pm_card_refund_pending_(\d{1,6})"), lambda ms: Card(last4="7726", refund_pending_ms=ms)),
    (
        re.compile(r"pm_card_refund_pending_fails_(\d{1,6})"),
        lambda ms: Card(last4="7727", refund_pending_ms=ms, refund_failure="lost_or_stolen_card"),
    ),
    (re.compile(r"pm_card_expires_(\d{4})_(\d{1,2})"), _expires),
)

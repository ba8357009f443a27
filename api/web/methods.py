"""The payment methods that a page offers: those that the customer has, and new ones where the gateway has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.web.words import Words
from perennial.db.models import PaymentMethod
from perennial.gateways.simulator.cards import describe

SAVED, NEW = "saved", "new"
_BRANDS = {"visa": "Visa", "mastercard": "Mastercard", "amex": "American Express"}

# In the order of the page, with what each does in English: it is for those who try the page out.
TEST_CARDS = {
    "pm_card_visa": "pays",
    "pm_card_mastercard": "pays",
    "pm_card_authenticationRequired": "asks for 3-D Secure every time",
    "pm_card_threeDSecureOnce": "asks for 3-D Secure once",
    "pm_card_chargeDeclinedInsufficientFunds": "declined: not enough money",
    "pm_card_chargeDeclinedExpiredCard": "declined: expired",
    "pm_card_chargeDeclinedLostCard": "declined: lost card",
    "pm_card_declines_1_times": "declined once, then pays",
}


@dataclass(frozen=True, slots=True)
class Option:
    """One of the radio buttons; `value` is what the form sends."""

    value: str
    brand: str
    label: str
    detail: str
    tag: str
    checked: bool = False
    disabled: bool = False


def saved_options(
    words: Words, methods: Sequence[PaymentMethod], chosen: str | None, now: datetime, *, mark: bool
) -> tuple[Option, ...]:
    """The chosen one, or else the main one, is marked if one is to be; one that has expired cannot be chosen."""
    usable = [each for each in methods if not _is_over(each, now)]
    marked = next((each.id for each in usable if each.id == chosen), None) or next(
        (each.id for each in usable if each.is_default), None
    )
    return tuple(_option(words, each, marked if mark else None, now) for each in methods)


def _option(words: Words, method: PaymentMethod, marked: str | None, now: datetime) -> Option:
    over = _is_over(method, now)
    when = {"month": f"{method.exp_month:02}", "year": method.exp_year}
    return Option(
        value=f"{SAVED}:{method.id}",
        brand=method.brand,
        label=words("card_ending", brand=_BRANDS.get(method.brand, method.brand.title()), last4=method.last4),
        detail=words("expired" if over else "expires", **when),
        tag=words("main") if method.is_default else words("backup") if method.is_backup else "",
        checked=method.id == marked,
        disabled=over,
    )


def _is_over(method: PaymentMethod, now: datetime) -> bool:
    return (method.exp_year, method.exp_month) < (now.year, now.month)


def test_options(words: Words, *, checked: bool) -> tuple[Option, ...]:
    """The simulator's cards; `checked`: the first one is marked."""
    options: list[Option] = []
    for token, does in TEST_CARDS.items():
        card = describe(token)
        label = words("card_ending", brand=_BRANDS.get(card.brand, card.brand.title()), last4=card.last4)
        marked = checked and not options
        options.append(Option(f"{NEW}:{token}", card.brand, label, does, "", checked=marked))
    return tuple(options)


def token_of(name: str, customer_id: str) -> str:
    """The test card as this customer's own: its counters, and what networks count, are not shared with others."""
    return f"{name}:{customer_id}"

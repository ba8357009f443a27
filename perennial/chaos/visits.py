"""Visits of the checkout page, as they are planned: with which cards, through which door, and how far. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

GOOD, ALSO_GOOD = "pm_card_visa", "pm_card_mastercard"
# 3-D Secure that its owner passes, and 3-D Secure that nobody ever answers.
AUTHENTICATES = "pm_card_threeDSecureOnce"
UNANSWERED = "pm_card_authenticationRequired"
POOR = "pm_card_chargeDeclinedInsufficientFunds"
# The button is pressed so long after the page was opened, at most: what the engine does by itself is due within that.
_HESITATES_SECONDS = 2.5


class Leaves(StrEnum):
    """Where somebody goes away, and leaves everything open: before the button, or at the bank."""

    PAGE = "page"
    BANK = "bank"


@dataclass(frozen=True, slots=True)
class Visit:
    """`cards` are tried one after the other, until one pays; the last one again and again.

    `by_link`: through the link of the mail, not a session that the merchant has made. `hesitates`: seconds between the
    first look at the page and the button. `first_leaves_another`: a page of the same kind is opened before, and left.
    """

    cards: tuple[str, ...] = (GOOD,)
    by_link: bool = False
    hesitates: float = 0.0
    leaves: Leaves | None = None
    first_leaves_another: bool = False

    @property
    def goes_to_bank(self) -> bool:
        """Whether a bank of their own may ask them; what another bank asks is left alone."""
        return self.leaves is Leaves.BANK or AUTHENTICATES in self.cards


def paying(chance: Random, *, by_bank: bool = True) -> Visit:
    """Somebody who means it: at once, after a refused card, or (`by_bank`) with their bank's consent."""
    cards = chance.choice(((GOOD,), (ALSO_GOOD,), (AUTHENTICATES,) if by_bank else (GOOD,), (POOR, GOOD)))
    return Visit(cards, by_link=chance.random() < 0.5, hesitates=_hesitation(chance))  # noqa: PLR2004 - a coin


def wavering(chance: Random) -> Visit:
    """Somebody who goes away, from the page or from their bank."""
    leaves = chance.choice(tuple(Leaves))
    return Visit((UNANSWERED,), by_link=chance.random() < 0.5, hesitates=_hesitation(chance), leaves=leaves)  # noqa: PLR2004


def entering(chance: Random) -> Visit:
    """A new customer; some have opened the page before, and some never hear what their bank asks."""
    another = chance.random() < 0.3  # noqa: PLR2004 - some
    if chance.random() < 0.15:  # noqa: PLR2004 - a few
        return Visit((UNANSWERED,), leaves=Leaves.BANK, first_leaves_another=another)
    cards = chance.choice(((GOOD,), (ALSO_GOOD,), (AUTHENTICATES,), (POOR, GOOD)))
    return Visit(cards, first_leaves_another=another)


def _hesitation(chance: Random) -> float:
    return round(chance.uniform(0, _HESITATES_SECONDS), 1)

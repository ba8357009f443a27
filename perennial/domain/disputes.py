"""A cardholder contests a charge: what is known of the dispute, and what it forbids.

`docs/billing-rules/disputes.md` tells the rules; what follows for a subscription is in `subscription/disputes.py`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from perennial.domain.errors import CommandRefused


class DisputeStatus(StrEnum):
    """`open` until the bank has decided: `won` by us, or `lost`."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"

    def after(self, known: "DisputeStatus | None", *, later: bool = False) -> "DisputeStatus":
        """What is true when this is told and `known` was known: a decision stands, in whatever order they come.

        Banks can reverse theirs: another decision counts that was certainly made `later`.
        """
        if known in (None, DisputeStatus.OPEN) or (later and self is not DisputeStatus.OPEN):
            return self
        return known


def is_later(told_at: datetime | None, known_at: datetime | None) -> bool:
    """Whether what a gateway decided at `told_at`, by its own clock, is younger than what it decided at `known_at`."""
    return told_at is not None and known_at is not None and told_at > known_at


@dataclass(frozen=True, slots=True)
class Dispute:
    """A charge at `invoice` (business key) that is contested. `answered`: what its status asks for has been done.

    `told_at` is when it was decided, by the gateway's clock.
    """

    ref: str
    invoice: str
    status: DisputeStatus
    answered: bool = False
    told_at: datetime | None = None


class SubscriptionDisputed(CommandRefused):
    code = "subscription_disputed"

    def __init__(self, subscription: str) -> None:
        super().__init__(subscription, "a charge of the subscription is disputed: it waits until the bank has decided")


class ChargeDisputed(CommandRefused):
    code = "charge_disputed"

    def __init__(self, invoice: str) -> None:
        super().__init__(invoice, "the charge is disputed: the bank takes the money, so none of it is given back")


def given_twice(*, charged: int, refunded: int, credited: int, lost: int) -> int:
    """How much of a charge has gone back twice when a dispute is lost: so much of the credit is to be taken back.

    Minor units. `refunded` went or is going back through the gateway, `credited` to the customer's balance.
    """
    return min(credited, max(0, refunded + credited + lost - charged))

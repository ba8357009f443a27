"""A cardholder contests a charge: what is known of the dispute, and what it forbids.

`docs/billing-rules/disputes.md` tells the rules; what follows for a subscription is in `subscription/disputes.py`.
"""

from dataclasses import dataclass
from enum import StrEnum

from perennial.domain.errors import CommandRefused


class DisputeStatus(StrEnum):
    """`open` until the bank has decided: `won` by us, or `lost`."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"

    def after(self, known: "DisputeStatus | None") -> "DisputeStatus":
        """What is true when this is told and `known` was known: a decision stands, in whatever order they come."""
        return self if known in (None, DisputeStatus.OPEN) else known


@dataclass(frozen=True, slots=True)
class Dispute:
    """A charge at `invoice` (business key) that is contested. `answered`: what its status asks for has been done."""

    ref: str
    invoice: str
    status: DisputeStatus
    answered: bool = False


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

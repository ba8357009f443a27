"""What may be asked of a subscription. A command names itself (`request_id`) and the instant it is meant for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from perennial.domain.catalog import AddOn, PlanTerms
from perennial.domain.catalog import RefundPolicy as RefundPolicy  # noqa: PLC0414 - a word of `Cancel`
from perennial.domain.disputes import DisputeStatus
from perennial.domain.dunning import DunningPolicy
from perennial.domain.errors import InvalidInstant
from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription.effects import CreditedPart
from perennial.domain.subscription.state import Discount


class When(StrEnum):
    NOW = "now"
    PERIOD_END = "period_end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`request_id` makes a repetition harmless. `at` is the effective instant (UTC); None means when it arrives.

    A command that is applied again after a reset keeps its `at`, so the story is told again in its old order. Only a
    signal that an operator types into the Temporal UI may leave `request_id` empty; it is then named by its step.
    """

    request_id: str = ""
    at: datetime | None = None
    actor: str = "api"

    def __post_init__(self) -> None:
        """Raises InvalidInstant for an instant without a zone: a signal typed by hand must not wedge the workflow."""
        for name in ("at", "until"):
            instant: datetime | None = getattr(self, name, None)
            if instant is not None and instant.tzinfo is None:
                raise InvalidInstant(f"{instant.isoformat()} has no time zone", field=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSubscription(Command):
    until: datetime | None = None
    when: When = When.NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Command):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePlan(Command):
    """To `terms` (of the subscription's own currency) and, if given, `quantity` and `addons`.

    Without `addons` those stay that the new terms have too. `only_from` are the versions of the plan that everybody is
    moved away from: whoever has left them, or has something else ahead, is left alone.
    """

    terms: PlanTerms
    quantity: int | None = None
    addons: tuple[AddOn, ...] | None = None
    when: When = When.NOW
    proration: ProrationBasis | None = None
    only_from: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeQuantity(Command):
    quantity: int
    when: When = When.NOW
    proration: ProrationBasis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAddOns(Command):
    """To exactly these add-ons of the plan; none of them means none at all."""

    addons: tuple[AddOn, ...]
    when: When = When.NOW
    proration: ProrationBasis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Command):
    when: When = When.PERIOD_END
    reason: str = "requested"
    refund: RefundPolicy | None = None
    """None: as the plan says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoCancel(Command):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactivate(Command):
    payment_method_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyCoupon(Command):
    discount: Discount


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPaymentMethod(Command):
    payment_method_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendTrial(Command):
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPayment(Command):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUpInvoice(Command):
    """Take an open invoice back (`void`: it should never have been) or write it off (a loss)."""

    invoice: str
    write_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPayment(Command):
    """An open invoice was paid in full past the gateways, by bank transfer for instance. `reference` finds it there."""

    invoice: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditInvoice(Command):
    """A credit note for a paid invoice of the subscription. `amount`, `lines`, `refund`: as in the effect `Credit`.

    `recurring` is how much of it takes back service of the running period (minor units as priced, found at the edge):
    that much less can be credited by later changes.
    """

    invoice: str
    amount: int | None = None
    lines: tuple[CreditedPart, ...] = ()
    refund: bool = False
    reason: str = "requested"
    memo: str | None = None
    recurring: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDunning(Command):
    """Another dunning policy, also for a case that runs; None: the plan's again.

    `case_only`: for the case that runs and no other, which goes by it unless the subscription has one of its own.
    """

    policy: DunningPolicy | None = None
    case_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AddGift(Command):
    """Prepaid periods for somebody who already subscribes."""

    gift_id: str
    periods: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipNext(Command):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Park(Command):
    """Put it aside: nothing happens by itself, and nothing is obeyed but `Unpark`. Why is for support's own records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpark(Command):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEvent(Command):
    """A gateway said something about attempt `attempt` at `invoice`. It is a hint to look: the gateway is asked."""

    invoice: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeEvent(Command):
    """How the `dispute` (our id) of a charge at `invoice` stands. It has been booked; what follows is decided here.

    `told_at` is when it was decided, by the gateway's clock.
    """

    invoice: str
    dispute: str
    status: DisputeStatus
    told_at: datetime | None = None

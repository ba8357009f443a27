"""What the engine asks of the outside world, and the words it uses for the answers.

Two rules hold for every adapter:

* An answer of the gateway is a *result*, also when it is a refusal by the card's bank. An exception means that there
  is no answer. `GatewayError` below draws the line between "nothing happened" and "nobody knows".
* Amounts are integers in minor units of an ISO 4217 currency; instants are aware UTC.

GatewayError
├── GatewayOutcomeUnknown   time-out, 5xx, lost connection: it may have been captured; look it up before sending again
├── GatewayUnavailable      certainly not carried out (429, connection refused): sending again is safe
├── GatewayRefused          the request itself is wrong: our bug, sending it again does not help
│   ├── IdempotencyConflict the key was used before with other parameters
│   └── UnknownToken        the gateway knows no such payment method
└── InvalidSignature        a webhook that the gateway did not sign

The port of notifications is `perennial.notifications.port`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from perennial.domain.errors import PerennialError
from perennial.domain.tax import Sale, TaxRate

T_co = TypeVar("T_co", covariant=True)


class GatewayError(PerennialError):
    """No answer, or no usable one. `retryable` says whether the same request may be sent again later."""

    code: ClassVar[str] = "gateway_error"
    retryable: ClassVar[bool] = True


class GatewayOutcomeUnknown(GatewayError):
    """The request may or may not have been carried out: `find_charge` / `find_refund` come before any re-send."""

    code: ClassVar[str] = "gateway_outcome_unknown"


class GatewayUnavailable(GatewayError):
    """The gateway certainly did nothing (rate limit, refused connection)."""

    code: ClassVar[str] = "gateway_unavailable"


class GatewayRefused(GatewayError):
    """The gateway calls the request malformed or not allowed: a defect on our side, never retried."""

    code: ClassVar[str] = "gateway_refused"
    retryable: ClassVar[bool] = False


class IdempotencyConflict(GatewayRefused):
    """The key was used before for a request with other parameters."""

    code: ClassVar[str] = "gateway_idempotency_conflict"


class UnknownToken(GatewayRefused):
    """The gateway knows no such payment method."""

    code: ClassVar[str] = "unknown_payment_token"


class InvalidSignature(GatewayError):
    """A webhook without a valid signature: forged, altered, or too old."""

    code: ClassVar[str] = "invalid_webhook_signature"
    retryable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """One page of a stable listing. `next` is the `after` of the following page; None on the last one."""

    items: tuple[T_co, ...]
    next: str | None


class ChargeStatus(StrEnum):
    """Canceled: withdrawn by us before the card's bank had decided."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """`key` is the business key of the attempt (`charge:{invoice}:{n}`) and the gateway's idempotency key."""

    key: str
    amount: int
    currency: str
    token: str
    customer_reference: str
    off_session: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class ChargeResult:
    """`decline_code` is set when declined, `action_url` while the customer must act.

    `response_code` and `advice_code` are the card network's own words on a decline, where the provider passes them on.
    """

    status: ChargeStatus
    gateway_ref: str
    decline_code: str | None = None
    action_url: str | None = None
    response_code: str | None = None
    advice_code: str | None = None


class RefundStatus(StrEnum):
    """Pending: the gateway has it in hand; a webhook or a look-up tells how it ended."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Gives back `amount` of the charge that `charge_key` and `gateway_ref` name. `key` is `refund:{refund}`."""

    key: str
    charge_key: str
    gateway_ref: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class RefundResult:
    """`failure_code` is set when the gateway will not refund (`exceeds_charge`, `charge_not_captured`, ...)."""

    status: RefundStatus
    gateway_ref: str
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class CardDetails:
    """What may be shown of a card. The fingerprint is equal for equal cards and says nothing else.

    None: the provider does not tell; then a token is a card of its own for each customer.
    """

    brand: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str | None


class GatewayEventKind(StrEnum):
    """`other`: the gateway said something that asks nothing of us; it is kept and nothing more."""

    PAYMENT_SUCCEEDED = "payment_succeeded"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_REQUIRES_ACTION = "payment_requires_action"
    PAYMENT_PROCESSING = "payment_processing"
    PAYMENT_CANCELED = "payment_canceled"
    REFUND_SUCCEEDED = "refund_succeeded"
    REFUND_FAILED = "refund_failed"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    CARD_UPDATED = "card_updated"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """A webhook in our words. `event_id` is the gateway's: an event that comes twice has the same one.

    `charge_key` is None for events that belong to no charge of ours (`card_updated`, `other`). `gateway_ref` is the id
    of what the event is about: a payment, a refund, a dispute, a payment method. `decline_code` of a dispute is the
    cardholder's reason. An event that a dispute was opened means that its money is gone until it is won. `at` is when
    it happened, by the gateway's clock: of two decisions of a dispute the later one counts.
    """

    event_id: str
    kind: GatewayEventKind
    charge_key: str | None
    gateway_ref: str
    status: ChargeStatus | None
    decline_code: str | None
    amount: int
    currency: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GatewayPayment:
    """One charge as the gateway's books have it; `refunded` is the sum given back. For reconciliation.

    `disputed` is what the cardholder's bank holds or has kept of it; None where the list does not tell.
    """

    charge_key: str
    gateway_ref: str
    status: ChargeStatus
    amount: int
    currency: str
    refunded: int
    disputed: int | None = None


@dataclass(frozen=True, slots=True)
class GatewayCapabilities:
    """What an adapter can do. The contract suite holds it to this. `currencies` None means every ISO currency."""

    refunds: bool
    partial_refunds: bool
    three_d_secure: bool
    webhooks: bool
    lookup_by_reference: bool
    reconciliation: bool
    currencies: frozenset[str] | None = None

    def supports(self, currency: str) -> bool:
        return self.currencies is None or currency in self.currencies


@runtime_checkable
class PaymentGateway(Protocol):
    """A payment provider. Synchronous: activities run in threads."""

    @property
    def name(self) -> str:
        """How rows and settings call it: `simulator`, `stripe`."""

    @property
    def capabilities(self) -> GatewayCapabilities: ...

    def describe_token(self, token: str) -> CardDetails:
        """What may be shown of the card behind a token. Raises UnknownToken."""

    def charge(self, request: ChargeRequest) -> ChargeResult:
        """Capture money once per `request.key`. A decline is a result.

        Raises GatewayOutcomeUnknown, GatewayUnavailable, GatewayRefused, IdempotencyConflict, UnknownToken.
        """

    def find_charge(self, key: str) -> ChargeResult | None:
        """What became of the charge with our key; None when the gateway never carried it out."""

    def cancel_charge(self, key: str) -> ChargeResult | None:
        """Withdraw the charge with our key unless the bank has decided, and say what is true of it now.

        SUCCEEDED or DECLINED: too late. CANCELED: it can take no money any more; where a gateway can, that holds for
        a key that it has not seen yet too, so that a request still on its way does nothing. PROCESSING: it cannot be
        withdrawn, its outcome must be waited for. None: the gateway does not know the key and cannot bar it.
        """

    def refund(self, request: RefundRequest) -> RefundResult:
        """Give money back once per `request.key`. More than is left of the charge is a failed result.

        Raises as `charge` does.
        """

    def find_refund(self, key: str) -> RefundResult | None:
        """What became of the refund with our key; None when the gateway never carried it out."""

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> GatewayEvent:
        """Check the signature, then translate. Header names in any case.

        Raises InvalidSignature; GatewayRefused when a signed body is no event. One of an unknown type is `other`.
        """

    def payments(self, after: str | None, limit: int) -> Page[GatewayPayment]:
        """All charges in a fixed order, oldest first; `after` is the `next` of the page before."""


@dataclass(frozen=True, slots=True)
class CardSetup:
    """What the customer's browser needs to give the gateway a card for later charges. The secret is theirs alone.

    `token` is the payment method, once they have given one.
    """

    gateway_ref: str
    client_secret: str
    token: str | None = None


@runtime_checkable
class SetsUpCards(Protocol):
    """A gateway that takes cards without a charge."""

    def create_setup(self, customer_reference: str) -> CardSetup:
        """Begin to take a card of our customer. Raises as `charge` does."""

    def find_setup(self, gateway_ref: str) -> CardSetup | None:
        """How it stands; None when nobody can go on with it: there is none, or it was canceled. Raises as above."""


@runtime_checkable
class RedirectsToBank(Protocol):
    """A gateway where 3-D Secure begins when the customer opens the page, not when the charge asked for it."""

    def authentication_url(self, gateway_ref: str, return_url: str) -> str | None:
        """Where the customer's bank asks them, who then come back to `return_url`; None when nothing is asked any more.

        Raises as `charge` does; GatewayRefused when there is no such charge.
        """


@runtime_checkable
class ListsDisputes(Protocol):
    """A gateway that can be asked for its disputes, and not only tells them by webhooks."""

    def disputes(self, since: datetime) -> Sequence[GatewayEvent]:
        """Each that was opened or decided since (UTC), as its newest event tells it. Raises GatewayError.

        `at` is when that happened, or else when the gateway was asked: what is told of a decision after that counts.
        """


@runtime_checkable
class KeepsReferences(Protocol):
    """A gateway that writes down in our database what its objects are called by us."""

    def recall(self, since: datetime) -> int:
        """Write down again what its lists hold since (UTC) and is not there; how much. Raises GatewayError."""


@runtime_checkable
class TaxCalculator(Protocol):
    """Which taxes a sale bears. Asked inside the transaction that issues an invoice: it must not wait for a network."""

    def rates(self, sale: Sale) -> tuple[TaxRate, ...]:
        """Every tax, also one of nought that has to be stated with its reason; none where the seller collects none."""

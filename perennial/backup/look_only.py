"""A gateway that is asked and never told: while rows are written again, no money moves."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from perennial.domain import keys
from perennial.domain.subscription.effects import PaymentFact, PaymentStatus
from perennial.ports import (
    CardDetails,
    ChargeRequest,
    ChargeResult,
    ChargeStatus,
    GatewayCapabilities,
    GatewayEvent,
    GatewayPayment,
    GatewayUnavailable,
    Page,
    PaymentGateway,
    RefundRequest,
    RefundResult,
)

_PAGE = 1_000


class NotAtGateway(GatewayUnavailable):
    """The history says that the gateway did something, and the gateway knows nothing of it.

    As with one that is out of order the card's next gateway is asked: it may have been charged there.
    """

    code: ClassVar[str] = "not_at_gateway"


@dataclass
class Memory:
    """`fact` is what the activity at hand answered when it was done; its charge is told as it was."""

    fact: PaymentFact | None = None


class LookOnly:
    """What the gateway does not find by its key (an adapter's references may be lost with the database) is looked for
    in its list of payments, which is read once.
    """

    def __init__(self, gateway: PaymentGateway, memory: Memory) -> None:
        self._gateway = gateway
        self._memory = memory
        self._list: dict[str, GatewayPayment] | None = None

    @property
    def name(self) -> str:
        return self._gateway.name

    @property
    def capabilities(self) -> GatewayCapabilities:
        return self._gateway.capabilities

    def describe_token(self, token: str) -> CardDetails:
        return self._gateway.describe_token(token)

    def charge(self, request: ChargeRequest) -> ChargeResult:
        raise NotAtGateway(f"{request.key} was charged, says the history; {self.name} does not know it")

    def find_charge(self, key: str) -> ChargeResult | None:
        found = self._gateway.find_charge(key) or self._listed(key)
        fact = self._memory.fact
        if fact is None or key != keys.charge(fact.invoice, fact.attempt):
            return found
        if fact.status is PaymentStatus.PAID and (found is None or found.status is not ChargeStatus.SUCCEEDED):
            state = f"says it is {found.status.value}" if found else "does not know it"
            raise NotAtGateway(f"{key} was paid, says the history; {self.name} {state}")
        if fact.status is PaymentStatus.DECLINED and found is None:
            return ChargeResult(ChargeStatus.DECLINED, "", fact.code)  # it was refused before it became a charge
        if fact.status is PaymentStatus.ACTION_REQUIRED and found and found.status is not ChargeStatus.PROCESSING:
            # The customer was at the bank since, or it was withdrawn: a later activity of the history brings that.
            return replace(found, status=ChargeStatus.REQUIRES_ACTION, decline_code=None)
        return found

    def cancel_charge(self, key: str) -> ChargeResult | None:
        return self.find_charge(key) or ChargeResult(ChargeStatus.CANCELED, "")

    def refund(self, request: RefundRequest) -> RefundResult:
        raise NotAtGateway(f"{request.key} was given back, says the history; {self.name} does not know it")

    def find_refund(self, key: str) -> RefundResult | None:
        return self._gateway.find_refund(key)

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> GatewayEvent:
        return self._gateway.parse_webhook(body, headers)

    def payments(self, after: str | None, limit: int) -> Page[GatewayPayment]:
        return self._gateway.payments(after, limit)

    def _listed(self, key: str) -> ChargeResult | None:
        if self._list is None:
            self._list = self._read_list() if self.capabilities.reconciliation else {}
        payment = self._list.get(key)
        return ChargeResult(payment.status, payment.gateway_ref) if payment else None

    def _read_list(self) -> dict[str, GatewayPayment]:
        found: dict[str, GatewayPayment] = {}
        after: str | None = None
        while True:
            page = self._gateway.payments(after, _PAGE)
            found |= {payment.charge_key: payment for payment in page.items}
            after = page.next
            if after is None:
                return found

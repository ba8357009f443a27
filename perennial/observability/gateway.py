"""A gateway with a counter at its door."""

from typing import Any, cast

from perennial.observability import metrics
from perennial.ports import ChargeRequest, ChargeResult, GatewayError, PaymentGateway, RefundRequest, RefundResult


class _Counted:
    """What is not counted goes straight through."""

    def __init__(self, gateway: PaymentGateway) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def charge(self, request: ChargeRequest) -> ChargeResult:
        name = self._gateway.name
        try:
            with metrics.asking(name, "charge"):
                answer = self._gateway.charge(request)
        except GatewayError as error:
            metrics.charged(name, error.code, None)
            raise
        metrics.charged(name, answer.status.value, answer.decline_code)
        return answer

    def find_charge(self, key: str) -> ChargeResult | None:
        with metrics.asking(self._gateway.name, "find_charge"):
            return self._gateway.find_charge(key)

    def cancel_charge(self, key: str) -> ChargeResult | None:
        with metrics.asking(self._gateway.name, "cancel_charge"):
            return self._gateway.cancel_charge(key)

    def refund(self, request: RefundRequest) -> RefundResult:
        with metrics.asking(self._gateway.name, "refund"):
            return self._gateway.refund(request)


def counted(gateway: PaymentGateway) -> PaymentGateway:
    """The same gateway; its charges are counted by outcome, its calls timed."""
    return cast("PaymentGateway", _Counted(gateway))

"""Refunds.

Money moves with the first request, so the look-up before any second one asks Stripe's own list, which is complete at
once (its search is not), for our key in the metadata.
"""

from hashlib import sha256

import stripe
from stripe.params import RefundCreateParams

from perennial.gateways.stripe.amounts import to_stripe
from perennial.gateways.stripe.charges import CHARGE_KEY, Charges
from perennial.gateways.stripe.client import Client, idempotency_key, metadata
from perennial.gateways.stripe.references import Kind, Reference, References
from perennial.ports import GatewayRefused, IdempotencyConflict, RefundRequest, RefundResult, RefundStatus

REFUND_KEY = "refund_key"
_PAGE = 100
_FAILED = frozenset({"failed", "canceled"})
_PENDING = frozenset({"pending", "requires_action"})


class Refunds:
    def __init__(self, client: Client, references: References, charges: Charges) -> None:
        self._client = client
        self._references = references
        self._charges = charges

    def refund(self, request: RefundRequest) -> RefundResult:
        amount = to_stripe(request.amount, request.currency)
        charge = self._references.find(Kind.CHARGE, request.charge_key)
        if charge is not None and charge.object_id is None and charge.answer is not None:
            return RefundResult(RefundStatus.FAILED, "", "charge_not_captured")
        if charge is None or charge.object_id != request.gateway_ref:
            raise GatewayRefused(f"no charge {request.gateway_ref} ({request.charge_key})")
        fingerprint = _fingerprint(request)
        known, is_new = self._references.begin(Kind.REFUND, request.key, fingerprint, request.gateway_ref)
        if known.fingerprint not in {fingerprint, ""}:
            raise IdempotencyConflict(f"{request.key} was used for another refund")
        if not is_new and (found := self._find(known)):
            return found
        return self._create(request, amount)

    def find(self, key: str) -> RefundResult | None:
        known = self._references.find(Kind.REFUND, key)
        return None if known is None else self._find(known)

    def _find(self, known: Reference) -> RefundResult | None:
        if known.answer is not None:
            return RefundResult(RefundStatus.FAILED, "", known.answer)
        if known.object_id is not None:
            refund_id = known.object_id
            return result(
                self._client.ask(f"look up {known.key}", lambda: self._client.api.refunds.retrieve(refund_id))
            )
        made = self._listed(known)
        return None if made is None else self._made(known.key, made)

    def _listed(self, known: Reference) -> stripe.Refund | None:
        pages = self._client.ask(
            f"refunds of {known.owner}",
            lambda: list(
                self._client.api.refunds.list({"payment_intent": known.owner, "limit": _PAGE}).auto_paging_iter()
            ),
        )
        return next((refund for refund in pages if metadata(refund, REFUND_KEY) == known.key), None)

    def _create(self, request: RefundRequest, amount: int) -> RefundResult:
        params: RefundCreateParams = {
            "payment_intent": request.gateway_ref,
            "amount": amount,
            "metadata": {REFUND_KEY: request.key, CHARGE_KEY: request.charge_key},
        }
        try:
            made = self._client.ask(
                f"refund {request.key}",
                lambda: self._client.api.refunds.create(params, {"idempotency_key": idempotency_key(request.key)}),
            )
        except IdempotencyConflict:
            raise
        except GatewayRefused:
            # Stripe words this refusal for people; its reason is read from the payment itself.
            reason = self._why_not(request, amount)
            if reason is None:
                raise
            self._references.answer(Kind.REFUND, request.key, reason)
            return RefundResult(RefundStatus.FAILED, "", reason)
        return self._made(request.key, made)

    def _why_not(self, request: RefundRequest, amount: int) -> str | None:
        intent = self._charges.retrieve(request.gateway_ref, with_charge=True)
        if intent.currency != request.currency.lower():
            return None
        if intent.status != "succeeded":
            return "charge_not_captured"
        charge = intent.latest_charge
        if isinstance(charge, stripe.Charge) and charge.amount_refunded + amount > charge.amount:
            return "exceeds_charge"
        if isinstance(charge, stripe.Charge) and getattr(charge, "disputed", False):
            return "charge_disputed"
        return None

    def _made(self, key: str, made: stripe.Refund) -> RefundResult:
        self._references.name(Kind.REFUND, key, made.id)
        return result(made)


def result(refund: stripe.Refund) -> RefundResult:
    """What is on its way ends with a webhook, `refund.updated` or `refund.failed`."""
    if refund.status in _FAILED:
        return RefundResult(RefundStatus.FAILED, refund.id, str(getattr(refund, "failure_reason", None) or "failed"))
    return RefundResult(RefundStatus.PENDING if refund.status in _PENDING else RefundStatus.SUCCEEDED, refund.id)


def _fingerprint(request: RefundRequest) -> str:
    parameters = (request.charge_key, request.gateway_ref, request.amount, request.currency)
    return sha256("\x1f".join(map(str, parameters)).encode()).hexdigest()

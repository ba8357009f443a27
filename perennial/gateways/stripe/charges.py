"""Charges: one PaymentIntent for each of our keys, and no confirmation before its id is written down.

The order is what makes a charge happen once:

1. the key's row is committed (`references`), unless it is there;
2. the PaymentIntent is made, unconfirmed: it takes no money;
3. its id is written into the row, if the row has none and was not barred;
4. the PaymentIntent of the row, no other, is confirmed.

A PaymentIntent takes money at most once, by Stripe's own state machine, with or without an idempotency key. An answer
that is lost at 2 leaves a PaymentIntent that nobody confirms; one lost at 4 is found through the row, two days or two
years later.
"""

from hashlib import sha256

import stripe
from stripe.params import PaymentIntentConfirmParams, PaymentIntentCreateParams

from perennial.gateways.stripe import errors
from perennial.gateways.stripe.amounts import to_stripe
from perennial.gateways.stripe.client import Client, idempotency_key
from perennial.gateways.stripe.methods import CUSTOMER, Methods
from perennial.gateways.stripe.references import Kind, Reference, References
from perennial.ports import (
    ChargeRequest,
    ChargeResult,
    ChargeStatus,
    GatewayOutcomeUnknown,
    GatewayRefused,
    GatewayUnavailable,
    IdempotencyConflict,
    UnknownToken,
)

# The name under which our key stands at Stripe, for people and for reconciliation.
CHARGE_KEY = "charge_key"
_LONGEST_METADATA = 500
_CANCELED = "canceled"


class Charges:
    def __init__(self, client: Client, references: References, methods: Methods) -> None:
        self._client = client
        self._references = references
        self._methods = methods

    def charge(self, request: ChargeRequest) -> ChargeResult:
        amount = to_stripe(request.amount, request.currency)
        if not 0 < len(request.key) <= _LONGEST_METADATA:
            raise GatewayRefused(f"a key has 1 to {_LONGEST_METADATA} characters")
        fingerprint = _fingerprint(request)
        known, _ = self._references.begin(Kind.CHARGE, request.key, fingerprint, request.token)
        if known.answer == _CANCELED:
            return ChargeResult(ChargeStatus.CANCELED, "")
        if known.fingerprint not in {fingerprint, ""}:
            raise IdempotencyConflict(f"{request.key} was used for another charge")
        if known.object_id is not None and (found := self._look_up(known.object_id)):
            return found
        if known.object_id is None and known.answer is None:
            known = self._create(known, request, amount)
        return _answered(known) if known.object_id is None else self._confirm(known.object_id, request)

    def find(self, key: str) -> ChargeResult | None:
        known = self._references.find(Kind.CHARGE, key)
        if known is None or (known.object_id is None and known.answer is None):
            return None
        return _answered(known) if known.object_id is None else self._look_up(known.object_id)

    def cancel(self, key: str) -> ChargeResult:
        """A key that has no PaymentIntent yet is barred by its row; else Stripe decides who was first."""
        known = self._references.bar(Kind.CHARGE, key, _CANCELED)
        if known.object_id is None:
            return _answered(known)
        intent_id = known.object_id
        found = self._look_up(intent_id)
        if found is not None and found.status is not ChargeStatus.REQUIRES_ACTION:
            return found
        try:
            intent = self._client.ask(f"cancel {key}", lambda: self._client.api.payment_intents.cancel(intent_id))
        except errors.WrongState:
            intent = self.retrieve(intent_id)
        canceled = result(intent)
        if canceled is None or canceled.status is ChargeStatus.REQUIRES_ACTION:
            raise GatewayOutcomeUnknown(f"{key} is {intent.status} and could not be withdrawn")
        return canceled

    def authentication_url(self, intent_id: str, return_url: str) -> str | None:
        """Start 3-D Secure with the customer present: the page of their bank. None when nothing is asked any more."""
        intent = self.retrieve(intent_id)
        known = self._references.by_object(Kind.CHARGE, intent_id)
        current = result(intent)
        if known is None or current is None or current.status is not ChargeStatus.REQUIRES_ACTION:
            return None
        if intent.status != "requires_action" or _redirect(intent) is None:
            params: PaymentIntentConfirmParams = {"payment_method": known.owner, "return_url": return_url}
            try:
                intent = self._client.ask(
                    f"authenticate {known.key}",
                    lambda: self._client.api.payment_intents.confirm(intent_id, params),
                )
            except (errors.Declined, errors.WrongState):
                intent = self.retrieve(intent_id)
        return _redirect(intent)

    def retrieve(self, intent_id: str, *, with_charge: bool = False) -> stripe.PaymentIntent:
        return self._client.ask(
            f"look up {intent_id}",
            lambda: self._client.api.payment_intents.retrieve(
                intent_id, {"expand": ["latest_charge"]} if with_charge else {}
            ),
        )

    def _look_up(self, intent_id: str) -> ChargeResult | None:
        return result(self.retrieve(intent_id))

    def _create(self, known: Reference, request: ChargeRequest, amount: int) -> Reference:
        """The row with a PaymentIntent, or with the reason why there is none."""
        try:
            customer = self._methods.charged_through(request.token, request.customer_reference)
            intent = self._create_intent(known, request, amount, customer)
        except errors.Declined as declined:
            return self._references.answer(Kind.CHARGE, request.key, declined.code)
        return self._references.name(Kind.CHARGE, request.key, intent.id)

    def _create_intent(
        self, known: Reference, request: ChargeRequest, amount: int, customer: str
    ) -> stripe.PaymentIntent:
        params: PaymentIntentCreateParams = {
            "amount": amount,
            "currency": request.currency.lower(),
            "customer": customer,
            "payment_method": request.token,
            "allowed_payment_method_types": ["card"],
            "metadata": {CHARGE_KEY: request.key, CUSTOMER: request.customer_reference},
        }
        if request.description:
            params["description"] = request.description
        key = idempotency_key(request.key, known.spent)
        try:
            return self._client.ask(
                f"create {request.key}",
                lambda: self._client.api.payment_intents.create(params, {"idempotency_key": key}),
            )
        except errors.ServerFailed:
            # The same key would be answered with the same 5xx for a day. Another one is safe: nothing was confirmed.
            self._references.spend(Kind.CHARGE, known)
            raise
        except errors.NotFound as error:
            self._methods.forget_customer(customer)
            raise UnknownToken(f"{request.token}: its customer at Stripe is gone") from error

    def _confirm(self, intent_id: str, request: ChargeRequest) -> ChargeResult:
        """Let the money move.

        Without a business key of its own: the state of the PaymentIntent is the lock, and a stored 5xx must not be
        answered again for a day.
        """
        params: PaymentIntentConfirmParams = {"off_session": True} if request.off_session else {}
        try:
            intent = self._client.ask(
                f"confirm {request.key}", lambda: self._client.api.payment_intents.confirm(intent_id, params)
            )
        except (errors.Declined, errors.WrongState):
            intent = self._retrieve_confirmed(intent_id, request.key)
        confirmed = result(intent)
        if confirmed is None:
            raise GatewayOutcomeUnknown(f"{request.key} is {intent.status} after its confirmation")
        return confirmed

    def _retrieve_confirmed(self, intent_id: str, key: str) -> stripe.PaymentIntent:
        """Whatever stands in the way of this answer: the confirmation before it has been carried out."""
        try:
            return self.retrieve(intent_id)
        except GatewayUnavailable as error:
            raise GatewayOutcomeUnknown(f"{key} was confirmed, and then Stripe was too busy to say more") from error


def result(intent: stripe.PaymentIntent) -> ChargeResult | None:
    """What has become of a PaymentIntent; None while it has not been confirmed."""
    status = _STATUS.get(intent.status)
    error = intent.last_payment_error
    if intent.status == "requires_payment_method" and error is not None:
        code = errors.decline_code(error)
        # Off-session, the bank wanted the customer: the same PaymentIntent goes on when they are there.
        wants_customer = code == errors.AUTHENTICATION_REQUIRED
        status = ChargeStatus.REQUIRES_ACTION if wants_customer else ChargeStatus.DECLINED
    if status is None:
        return None
    return ChargeResult(
        status=status,
        gateway_ref=intent.id,
        decline_code=errors.decline_code(error) if status is ChargeStatus.DECLINED else None,
        action_url=f"/stripe/authenticate/{intent.id}" if status is ChargeStatus.REQUIRES_ACTION else None,
        response_code=_network_word(error, "network_decline_code") if status is ChargeStatus.DECLINED else None,
        advice_code=_network_word(error, "network_advice_code") if status is ChargeStatus.DECLINED else None,
    )


def _network_word(error: object, name: str) -> str | None:
    """What the card's network said of a decline; Stripe leaves it out where the network said nothing."""
    word = getattr(error, name, None)
    return str(word) if word else None


_STATUS = {
    "succeeded": ChargeStatus.SUCCEEDED,
    "processing": ChargeStatus.PROCESSING,
    "requires_capture": ChargeStatus.PROCESSING,
    "requires_action": ChargeStatus.REQUIRES_ACTION,
    "canceled": ChargeStatus.CANCELED,
}


def _answered(known: Reference) -> ChargeResult:
    """The outcome of a key that never had a PaymentIntent."""
    if known.answer == _CANCELED:
        return ChargeResult(ChargeStatus.CANCELED, "")
    return ChargeResult(ChargeStatus.DECLINED, "", decline_code=known.answer)


def _redirect(intent: stripe.PaymentIntent) -> str | None:
    redirect = getattr(intent.next_action, "redirect_to_url", None)
    return str(redirect.url) if redirect and redirect.url else None


def _fingerprint(request: ChargeRequest) -> str:
    parameters = (
        request.amount,
        request.currency,
        request.token,
        request.customer_reference,
        request.off_session,
        request.description,
    )
    return sha256("\x1f".join(map(str, parameters)).encode()).hexdigest()

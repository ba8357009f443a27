"""Customers and their cards at Stripe: made when they are first needed, never twice.

A card can be charged off-session only through the Stripe customer that it is attached to. A token that comes with one
(a SetupIntent of ours, or a migration from another system) keeps it; a new one is attached to the customer that stands
for ours.
"""

import stripe
from stripe.params import SetupIntentCreateParams

from perennial.gateways.stripe.client import Client, idempotency_key
from perennial.gateways.stripe.errors import NotFound, ServerFailed
from perennial.gateways.stripe.references import Kind, References
from perennial.ports import CardDetails, CardSetup, UnknownToken

# The name under which our id stands at Stripe.
CUSTOMER = "perennial_customer"


class Methods:
    def __init__(self, client: Client, references: References) -> None:
        self._client = client
        self._references = references

    def describe(self, token: str) -> CardDetails:
        """Raises UnknownToken, also for what is not a card."""
        card = getattr(self._retrieve(token), "card", None)
        if not isinstance(card, stripe.PaymentMethod.Card):
            raise UnknownToken(f"{token} is not a card")
        return CardDetails(
            brand=card.brand,
            last4=card.last4,
            exp_month=card.exp_month,
            exp_year=card.exp_year,
            # Some accounts get none; then each token is a card of its own.
            fingerprint=getattr(card, "fingerprint", None) or token,
        )

    def charged_through(self, token: str, customer_reference: str) -> str:
        """The Stripe customer through which this card of our customer is charged.

        Raises:
            UnknownToken: no such card, or it is another customer's.
            Declined: the bank refused the card when it was attached.
        """
        known = self._references.find(Kind.METHOD, token)
        if known is None or known.object_id is None:
            customer = self._adopt(token, customer_reference)
            self._references.begin(Kind.METHOD, token, "", customer_reference)
            known = self._references.name(Kind.METHOD, token, customer)
        if known.owner != customer_reference or known.object_id is None:
            raise UnknownToken(f"{token} is not a payment method of {customer_reference}")
        return known.object_id

    def forget_customer(self, customer: str) -> None:
        """A Stripe customer that was deleted there: its cards are gone with it, a new card gets a new one."""
        self._references.forget(Kind.METHOD, customer)
        self._references.forget(Kind.CUSTOMER, customer)

    def set_up(self, customer_reference: str) -> CardSetup:
        """A SetupIntent with which the customer's browser gives Stripe a card for later charges."""
        params: SetupIntentCreateParams = {
            "customer": self._customer(customer_reference),
            "usage": "off_session",
            "allowed_payment_method_types": ["card"],
            "metadata": {CUSTOMER: customer_reference},
        }
        made = self._client.ask(
            f"set-up for {customer_reference}", lambda: self._client.api.setup_intents.create(params)
        )
        assert made.client_secret is not None, made.id
        return CardSetup(gateway_ref=made.id, client_secret=made.client_secret)

    def find_set_up(self, gateway_ref: str) -> CardSetup | None:
        try:
            found = self._client.ask(
                f"set-up {gateway_ref}", lambda: self._client.api.setup_intents.retrieve(gateway_ref)
            )
        except NotFound:
            return None
        if found.status == "canceled":
            return None
        given = found.payment_method if found.status == "succeeded" else None
        token = str(getattr(given, "id", given)) if given else None
        return CardSetup(gateway_ref=found.id, client_secret=found.client_secret or "", token=token)

    def _adopt(self, token: str, customer_reference: str) -> str:
        method = self._retrieve(token)
        if method.customer is not None:
            customer = str(getattr(method.customer, "id", method.customer))
            owner = self._references.by_object(Kind.CUSTOMER, customer)
            if owner is not None and owner.key != customer_reference:
                raise UnknownToken(f"{token} is not a payment method of {customer_reference}")
            return customer
        customer = self._customer(customer_reference)
        try:
            self._client.ask(
                f"attach {token}", lambda: self._client.api.payment_methods.attach(token, {"customer": customer})
            )
        except NotFound:
            self.forget_customer(customer)
            raise
        return customer

    def _customer(self, customer_reference: str) -> str:
        """Our customer's at Stripe: one, also when two charges ask at once or an answer was lost."""
        known, _ = self._references.begin(Kind.CUSTOMER, customer_reference, "", "")
        if known.object_id is not None:
            return known.object_id
        key = idempotency_key(f"customer:{customer_reference}", known.spent)
        try:
            made = self._client.ask(
                f"customer {customer_reference}",
                lambda: self._client.api.customers.create(
                    {"metadata": {CUSTOMER: customer_reference}}, {"idempotency_key": key}
                ),
            )
        except ServerFailed:
            self._references.spend(Kind.CUSTOMER, known)
            raise
        named = self._references.name(Kind.CUSTOMER, customer_reference, made.id)
        return named.object_id or made.id

    def _retrieve(self, token: str) -> stripe.PaymentMethod:
        try:
            return self._client.ask(f"card {token}", lambda: self._client.api.payment_methods.retrieve(token))
        except NotFound as error:
            raise UnknownToken(f"Stripe knows no payment method {token}") from error

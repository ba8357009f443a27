"""After a restore of an older database: what Stripe's own lists say of our keys, and its disputes.

Our keys stand in the metadata of what was made under them. A PaymentIntent that was never confirmed is left out: it
takes no money, and its key makes another.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import stripe

from perennial.gateways.stripe import webhooks
from perennial.gateways.stripe.charges import CHARGE_KEY, result
from perennial.gateways.stripe.client import Client, metadata
from perennial.gateways.stripe.methods import CUSTOMER
from perennial.gateways.stripe.references import Kind, References
from perennial.gateways.stripe.refunds import REFUND_KEY
from perennial.gateways.stripe.webhooks import KeyOf
from perennial.ports import GatewayEvent

_PAGE = 100
# A bank may take so long for its decision: a dispute that was decided lately may have been opened long ago.
_LONGEST_DISPUTE = timedelta(days=180)


class Recall:
    def __init__(self, client: Client, references: References) -> None:
        self._client = client
        self._references = references

    def references(self, since: datetime) -> int:
        """Rows that were written: charges with their customers and cards, then refunds."""
        charges = self._client.ask(
            "payments since",
            lambda: list(
                self._client.api.payment_intents.list(
                    {"created": {"gte": int(since.timestamp())}, "limit": _PAGE, "expand": ["data.latest_charge"]}
                ).auto_paging_iter()
            ),
        )
        refunds = self._client.ask(
            "refunds since",
            lambda: list(
                self._client.api.refunds.list(
                    {"created": {"gte": int(since.timestamp())}, "limit": _PAGE}
                ).auto_paging_iter()
            ),
        )
        return sum(map(self._charge, charges)) + sum(map(self._refund, refunds))

    def disputes(self, since: datetime, key_of: KeyOf) -> list[GatewayEvent]:
        asked_at = datetime.now(UTC)  # the list says how each stands, and not since when
        least = int((since - _LONGEST_DISPUTE).timestamp())
        found = self._client.ask(
            "disputes since",
            lambda: list(
                self._client.api.disputes.list({"created": {"gte": least}, "limit": _PAGE}).auto_paging_iter()
            ),
        )
        told = [webhooks.dispute(f"{each.id}:{each.status}", each.to_dict(), key_of) for each in found]
        return [replace(event, at=asked_at) for event in told if event is not None]

    def _charge(self, intent: stripe.PaymentIntent) -> int:
        key, owner = metadata(intent, CHARGE_KEY), metadata(intent, CUSTOMER)
        if not key or result(intent) is None:
            return 0
        at, token = _made(intent), _token(intent)
        restored = self._references.restore(Kind.CHARGE, key, intent.id, token, at)
        customer = str(getattr(intent.customer, "id", intent.customer or ""))
        if owner and customer:
            self._references.restore(Kind.CUSTOMER, owner, customer, "", at)
            if token:
                self._references.restore(Kind.METHOD, token, customer, owner, at)
        return int(restored)

    def _refund(self, refund: stripe.Refund) -> int:
        key, intent = metadata(refund, REFUND_KEY), refund.payment_intent
        if not key or not intent:
            return 0
        return int(
            self._references.restore(Kind.REFUND, key, refund.id, str(getattr(intent, "id", intent)), _made(refund))
        )


def _made(thing: stripe.PaymentIntent | stripe.Refund) -> datetime:
    return datetime.fromtimestamp(thing.created, UTC)


def _token(intent: stripe.PaymentIntent) -> str:
    """The card that was to be charged: a decline takes it off the PaymentIntent."""
    charge = intent.latest_charge if isinstance(intent.latest_charge, stripe.Charge) else None
    refused = getattr(intent.last_payment_error, "payment_method", None)
    for place in (intent.payment_method, refused, charge and charge.payment_method):
        if place:
            return str(getattr(place, "id", place))
    return ""

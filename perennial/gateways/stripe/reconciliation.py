"""Stripe's own list of payments, oldest first, as reconciliation reads it.

Stripe lists newest first. `ending_before` walks towards the newer ones, so the walk needs only the place where it
begins: the oldest PaymentIntent near the time of our first charge. What is older, or does not bear our key, belongs to
other systems that use the same account.
"""

from datetime import timedelta

import stripe
from stripe.params import PaymentIntentListParams

from perennial.gateways.stripe.amounts import from_stripe
from perennial.gateways.stripe.charges import CHARGE_KEY, result
from perennial.gateways.stripe.client import Client, metadata
from perennial.gateways.stripe.references import Kind, References
from perennial.ports import GatewayPayment, GatewayRefused, Page

_PAGE = 100
# How far the clocks of Stripe and of our database may be apart.
_CLOCKS = timedelta(hours=1)


class Reconciliation:
    def __init__(self, client: Client, references: References) -> None:
        self._client = client
        self._references = references

    def page(self, after: str | None, limit: int) -> Page[GatewayPayment]:
        if limit < 1 or (after is not None and not after.startswith("pi_")):
            raise GatewayRefused(f"no page of {limit} payments after {after!r}")
        limit = min(limit, _PAGE)
        first = self._oldest() if after is None else None
        start = after or (first.id if first else None)
        if start is None:
            return Page((), None)
        wanted = limit - 1 if first else limit
        newer, has_more = self._newer(start, wanted) if wanted else ([], True)
        intents = [first, *newer] if first else newer
        payments = tuple(payment for intent in intents if (payment := _payment(intent)))
        return Page(payments, intents[-1].id if has_more and intents else None)

    def _newer(self, start: str, limit: int) -> tuple[list[stripe.PaymentIntent], bool]:
        """Those just after `start`, the oldest first, and whether there are more."""
        found = self._client.ask(
            f"payments after {start}",
            lambda: self._client.api.payment_intents.list(
                {"ending_before": start, "limit": limit, "expand": ["data.latest_charge"]}
            ),
        )
        return found.data[::-1], found.has_more

    def _oldest(self) -> stripe.PaymentIntent | None:
        began = self._references.first_at(Kind.CHARGE)
        if began is None:
            return None
        params: PaymentIntentListParams = {
            "created": {"gte": int((began - _CLOCKS).timestamp()), "lte": int((began + _CLOCKS).timestamp())},
            "limit": _PAGE,
            "expand": ["data.latest_charge"],
        }
        found = self._client.ask(
            "the first payments",
            lambda: list(self._client.api.payment_intents.list(params).auto_paging_iter()),
        )
        return found[-1] if found else None


def _payment(intent: stripe.PaymentIntent) -> GatewayPayment | None:
    """None for what is not ours, and for what was never confirmed."""
    key = metadata(intent, CHARGE_KEY)
    outcome = result(intent)
    if not key or outcome is None:
        return None
    charge = intent.latest_charge
    refunded = charge.amount_refunded if isinstance(charge, stripe.Charge) else 0
    return GatewayPayment(
        charge_key=key,
        gateway_ref=intent.id,
        status=outcome.status,
        amount=from_stripe(intent.amount, intent.currency),
        currency=intent.currency.upper(),
        refunded=from_stripe(refunded, intent.currency),
    )

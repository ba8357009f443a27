"""Every kind of message, and what its template needs to know.

`needs` are variables that must be there: a message without one is a poisoned row of the outbox, not a mail with a hole.
`may` are those that the template asks for before it uses them. Every message knows `customer_name`, `timezone` and
`occurred_at`; messages of a subscription `plan` and `quantity`; messages with `invoice` in their payload
`invoice_number`, `amount` and `currency`, and `pay_url` as long as it is open; messages with `gift` in it everything
of the gift (see `context.py`). The payload of the outbox has the last word.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Audience(StrEnum):
    """Whose address a message goes to. The recipient of a gift need not be a customer yet."""

    CUSTOMER = "customer"
    GIFT_GIVER = "gift_giver"
    GIFT_RECIPIENT = "gift_recipient"


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    needs: frozenset[str] = field(default_factory=frozenset)
    may: frozenset[str] = field(default_factory=frozenset)
    audience: Audience = Audience.CUSTOMER


def _kind(name: str, needs: str = "", may: str = "", audience: Audience = Audience.CUSTOMER) -> Kind:
    return Kind(name, frozenset(needs.split()), frozenset(may.split()), audience)


_GIFT = "plan periods quantity giver_name recipient_name"

KINDS: tuple[Kind, ...] = (
    _kind("subscription_started", "plan"),
    _kind("subscription_paused", "plan", may="until"),
    _kind("subscription_resumed", "plan"),
    _kind("subscription_canceled", "plan", may="reason"),
    _kind("subscription_expired", "plan"),
    _kind("subscription_unpaid", "plan"),
    _kind("access_suspended", "plan"),
    _kind("plan_changed", "plan quantity", may="effective_at"),
    _kind("trial_ending", "plan ends_at amount currency"),
    _kind("renewal_reminder", "plan ends_at amount currency"),
    _kind("invoice_issued", "invoice_number amount currency", may="pay_url"),
    _kind("receipt", "invoice_number amount currency"),
    _kind("payment_failed", "invoice_number amount currency code", may="next_attempt_at pay_url"),
    _kind("payment_overdue", "invoice_number amount currency", may="pay_url"),
    _kind("payment_action_required", "invoice_number amount currency action_url", may="pay_url"),
    _kind("refund_sent", "amount currency", may="invoice_number"),
    _kind("refund_credited", "amount currency", may="invoice_number"),
    _kind("card_expiring", "brand last4 exp_month exp_year"),
    _kind("card_updated", "brand last4 exp_month exp_year"),
    _kind("usage_alert", "plan feature share used limit ends_at"),
    _kind("gift_purchased", _GIFT, may="deliver_at", audience=Audience.GIFT_GIVER),
    _kind("gift_delivered", f"{_GIFT} claim_code", may="message expires_at", audience=Audience.GIFT_RECIPIENT),
    _kind("gift_claimed", _GIFT, audience=Audience.GIFT_GIVER),
    _kind("gift_ending", "plan ends_at amount currency"),
    _kind("gift_converted", "plan"),
    _kind("gift_expired", _GIFT, audience=Audience.GIFT_GIVER),
    _kind("gift_canceled", _GIFT, audience=Audience.GIFT_GIVER),
)

BY_NAME: dict[str, Kind] = {kind.name: kind for kind in KINDS}
COMMON: frozenset[str] = frozenset({"customer_name", "timezone", "occurred_at"})

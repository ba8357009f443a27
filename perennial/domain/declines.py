"""What a decline means: dated data with its sources. The words are Stripe's; other gateways' adapters translate.

Sources disagree and change their minds, so the entry in force at the time of the decline counts. To change one, add an
entry with the day from which it counts; do not edit or remove one, for old cases are told again by it. All were checked
on 2026-11-21.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

STRIPE_CODES = "https://docs.stripe.com/declines/codes"
STRIPE_RETRIES = "https://docs.stripe.com/billing/revenue-recovery/smart-retries"
STRIPE_BANK_DEBITS = "https://docs.stripe.com/payments/ach-direct-debit"
OURS = "docs/billing-rules/dunning.md"

# What has not changed since this engine has known the code.
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class DeclineClass(StrEnum):
    """What a decline says about trying again."""

    SOFT = "soft"
    """May work later: retried by the policy."""
    HARD = "hard"
    """Never works with this payment method."""
    NEEDS_CUSTOMER = "needs_customer"
    """Works only after the customer has done something."""

    @property
    def retries_by_itself(self) -> bool:
        return self is DeclineClass.SOFT


@dataclass(frozen=True, slots=True)
class Decline:
    """What `code` means from `since` (UTC) on. `disclosed`: whether the customer may be told this reason.

    `wants_money`: the account was short of it, so that a payday may help.
    """

    code: str
    kind: DeclineClass
    since: datetime
    source: str
    disclosed: bool = True
    wants_money: bool = False


def _all(
    kind: DeclineClass,
    source: str,
    codes: str,
    *,
    since: datetime = ALWAYS,
    disclosed: bool = True,
    money: bool = False,
) -> Iterator[Decline]:
    for code in codes.split():
        yield Decline(code, kind, since, source, disclosed, money)


_SOFT, _HARD, _CUSTOMER = DeclineClass.SOFT, DeclineClass.HARD, DeclineClass.NEEDS_CUSTOMER

DECLINES: tuple[Decline, ...] = (
    *_all(_SOFT, STRIPE_CODES, "insufficient_funds withdrawal_count_limit_exceeded card_velocity_exceeded", money=True),
    # Sources disagree on these two: banks say them for want of funds as well, so they are tried again.
    *_all(_SOFT, STRIPE_CODES, "do_not_honor generic_decline"),
    *_all(
        _SOFT,
        STRIPE_CODES,
        "approve_with_id authentication_failed call_issuer duplicate_transaction issuer_not_available "
        "no_action_taken processing_error reenter_transaction try_again_later",
    ),
    *_all(
        _HARD,
        STRIPE_RETRIES,
        "incorrect_number revocation_of_all_authorizations revocation_of_authorization transaction_not_allowed",
    ),
    # A thief who tries a card must not learn that it is known as stolen: these are shown as a plain decline.
    *_all(_HARD, STRIPE_RETRIES, "highest_risk_level lost_card pickup_card stolen_card", disclosed=False),
    *_all(_HARD, STRIPE_CODES, "fraudulent merchant_blacklist restricted_card", disclosed=False),
    *_all(
        _HARD,
        STRIPE_CODES,
        "card_not_supported currency_not_supported invalid_account invalid_number not_permitted "
        "previously_declined_do_not_retry security_violation service_not_allowed stop_payment_order testmode_decline",
    ),
    *_all(
        _HARD,
        STRIPE_BANK_DEBITS,
        "account_closed bank_account_closed bank_account_restricted bank_account_unusable debit_not_authorized "
        "no_account",
    ),
    *_all(
        _CUSTOMER,
        STRIPE_CODES,
        "authentication_not_handled authentication_required expired_card incorrect_address incorrect_cvc incorrect_pin "
        "incorrect_zip invalid_cvc invalid_expiry_month invalid_expiry_year invalid_pin "
        "mobile_device_authentication_required offline_pin_required online_or_offline_pin_required pin_try_exceeded",
    ),
    # Of this engine: nothing was sent to a gateway.
    *_all(_HARD, OURS, "no_payment_method amount_too_large network_never_retry"),
    *_all(_SOFT, OURS, "network_budget_exceeded"),
)

_BY_CODE: dict[str, tuple[Decline, ...]] = {}
for _entry in sorted(DECLINES, key=lambda entry: entry.since):
    _BY_CODE[_entry.code] = (*_BY_CODE.get(_entry.code, ()), _entry)


def meaning(code: str, at: datetime | None = None) -> Decline:
    """The entry in force at `at` (UTC; None: the newest). An unknown code is soft and may be told."""
    entries = [entry for entry in _BY_CODE.get(code, ()) if at is None or entry.since <= at]
    return entries[-1] if entries else Decline(code, DeclineClass.SOFT, ALWAYS, OURS)


def classify(code: str, at: datetime | None = None) -> DeclineClass:
    """What a decline code means. An unknown one is soft: retries stay within the policy and the networks' budget."""
    return meaning(code, at).kind


def disclosable(code: str, at: datetime | None = None) -> bool:
    """Whether the customer may be told this reason."""
    return meaning(code, at).disclosed


def wants_money(code: str | None, at: datetime | None = None) -> bool:
    """Whether the account was short of money."""
    return code is not None and meaning(code, at).wants_money

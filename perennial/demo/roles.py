"""The parts that customers play: what they buy, how they pay, and what they ask for along the way."""

from dataclasses import dataclass

MONTHLY = ("basic-monthly", "standard-monthly")
ANY_PLAN = ("basic-monthly", "standard-monthly", "team-monthly", "standard-yearly")
SEATS = ("team-monthly",)
METERED = ("api-monthly",)
GOOD_CARDS = ("pm_card_visa", "pm_card_mastercard", "pm_card_amex")


@dataclass(frozen=True, slots=True)
class Role:
    """`acts`: names from `perennial.demo.acts` with the fraction of the time at which they are about to happen.

    `plans` empty: no subscription of their own at the start. `cards` None: no payment method. `{n}` in a card's name
    is a small number of charges. `net_days`: invoices are sent, to be paid within so many days. `partner` names the
    part that is played together with this one: giver and receiver.
    """

    name: str
    plans: tuple[str, ...] = MONTHLY
    cards: tuple[str, ...] | None = GOOD_CARDS
    acts: tuple[tuple[float, str], ...] = ()
    coupons: bool = False
    net_days: int | None = None
    partner: str | None = None


# What the showcase must show comes first; a small population shows as much of it as it has people.
ROLES: tuple[Role, ...] = (
    Role("is loyal", (*ANY_PLAN, "box-weekly")),
    Role("pauses", acts=((0.3, "pause"), (0.6, "resume"))),
    Role("upgrades", acts=((0.4, "upgrade"),)),
    Role("downgrades", ("standard-monthly",), acts=((0.4, "downgrade"),)),
    Role("is declined for a while", cards=("pm_card_declines_charges_{n}_to_{m}",)),
    Role("has a card that dies", cards=("pm_card_dies_after_{n}",)),
    Role("leaves at once", (*MONTHLY, "standard-yearly"), acts=((0.5, "cancel_now"),)),
    Role("leaves at the end of a period", acts=((0.5, "cancel_at_period_end"),)),
    Role("wavers", acts=((0.4, "cancel_at_period_end"), (0.4, "undo_cancel"))),
    Role("gives", acts=((0.05, "buy_gift"), (0.3, "claim_again")), partner="receives"),
    Role("receives", (), acts=((0.2, "claim_gift"), (0.25, "claim_gift"))),
    Role("tries with a card", ("premium-monthly",)),
    Role("tries without a card", ("trial-monthly",), cards=None),
    Role("is loyal by the week", ("box-weekly",)),
    Role("grows", SEATS, acts=((0.2, "more_seats"), (0.4, "add_on"), (0.6, "more_seats"), (0.8, "fewer_seats"))),
    Role("calls the API", METERED, acts=tuple((n / 12, "use_api") for n in range(12))),
    Role("pays by invoice", cards=None, acts=tuple((n / 12, "pay_invoice") for n in range(12)), net_days=30),
    Role("saves", coupons=True, acts=((0.6, "apply_coupon"),)),
    Role("calls the API and leaves", METERED, acts=((0.2, "use_api"), (0.5, "use_api"), (0.6, "cancel_now"))),
    Role("is loyal by the year", ("standard-yearly",)),
    Role("comes back", acts=((0.3, "cancel_now"), (0.6, "reactivate"))),
    Role("adds on", SEATS, acts=((0.1, "add_on"), (0.4, "add_on"), (0.7, "drop_add_ons"))),
    Role("pauses for a while", acts=((0.3, "pause_until"),)),
    Role("replaces the card", cards=("pm_card_dies_after_{n}",), acts=((0.4, "new_card"), (0.7, "new_card"))),
    Role("skips", (*MONTHLY, "box-weekly"), acts=((0.4, "skip_next"),)),
    Role("tries the API", METERED, acts=((0.2, "use_api"), (0.4, "downgrade"), (0.5, "use_api"), (0.7, "meter_later"))),
    Role("pauses at the end of a period", acts=((0.3, "pause_at_period_end"), (0.6, "resume"))),
    Role("downgrades later", ("standard-monthly",), acts=((0.4, "change_at_period_end"),)),
    Role("tries, then pays", ("trial-monthly",), cards=None, acts=((0.0, "new_card"),)),
    Role("tries longer", ("premium-monthly",), acts=((0.0, "extend_trial"),)),
    Role("changes the interval", ("basic-monthly", "standard-yearly"), acts=((0.4, "change_interval"),)),
    Role("gives in vain", acts=((0.1, "buy_gift"), (0.5, "cancel_gift"))),
    Role("is given more", acts=((0.3, "add_gift"),)),
    Role("must authenticate", cards=("pm_card_threeDSecureOnce",), acts=((0.0, "authenticate"),)),
    Role(
        "has a bank whose answers get lost",
        cards=("pm_card_captures_then_times_out", "pm_card_times_out_before_capture"),
    ),
    Role("is declined at once", cards=("pm_card_chargeDeclined", "pm_card_chargeDeclinedLostCard")),
    Role("is restless", (*ANY_PLAN, "box-weekly"), acts=tuple((n / 12, "anything") for n in range(12))),
    Role(
        "is restless and poor",
        (*ANY_PLAN, "premium-monthly"),
        cards=("pm_card_declines_charges_{n}_to_{m}",),
        acts=tuple((n / 12, "anything") for n in range(12)),
    ),
)

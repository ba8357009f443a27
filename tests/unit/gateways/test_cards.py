import pytest

from perennial.gateways.simulator import cards
from perennial.ports import UnknownToken


@pytest.mark.parametrize(
    ("token", "brand", "last4"),
    [
        ("pm_card_visa", "visa", "4242"),
        ("pm_card_mastercard", "mastercard", "4444"),
        ("pm_card_amex", "amex", "0005"),
        ("pm_card_visa:ada", "visa", "4242"),
    ],
)
def test_brands(token: str, brand: str, last4: str) -> None:
    card = cards.describe(token)
    assert (card.brand, card.last4) == (brand, last4)


def test_each_suffix_is_a_card_of_its_own() -> None:
    assert cards.describe("pm_card_visa:ada").fingerprint != cards.describe("pm_card_visa:bob").fingerprint
    assert cards.describe("pm_card_visa:ada") == cards.describe("pm_card_visa:ada")
    # A plain token stands for another card at each customer.
    assert cards.describe("pm_card_visa").fingerprint is None


@pytest.mark.parametrize(
    "token",
    [
        "",
        ":",
        "pm_card",
        "pm_card_visa2",
        "PM_CARD_VISA",
        " pm_card_visa",
        "pm_card_declines_x_times",
        "pm_card_declines_-1_times",
        "pm_card_declines__times",
        "pm_card_slow_",
        "pm_card_expires_2030_13",
        "pm_card_expires_2030_0",
        "pm_card_declines_charges_5_to_2",
        "4242424242424242",
    ],
)
def test_anything_else_is_unknown(token: str) -> None:
    with pytest.raises(UnknownToken):
        cards.card(token)


def test_expiry_is_in_the_token() -> None:
    card = cards.describe("pm_card_expires_2027_03")
    assert (card.exp_year, card.exp_month) == (2027, 3)


@pytest.mark.parametrize(
    ("token", "declined"),
    [
        ("pm_card_declines_2_times", [True, True, False, False, False]),
        ("pm_card_declines_0_times", [False, False, False, False, False]),
        ("pm_card_dies_after_3", [False, False, False, True, True]),
        ("pm_card_dies_after_0", [True, True, True, True, True]),
        ("pm_card_declines_charges_2_to_3", [False, True, True, False, False]),
        ("pm_card_chargeDeclinedLostCard", [True, True, True, True, True]),
        ("pm_card_visa", [False, False, False, False, False]),
    ],
)
def test_which_charges_are_declined(token: str, declined: list[bool]) -> None:
    card = cards.card(token)
    assert [card.declines(number) for number in range(1, 6)] == declined
    assert card.counts or len(set(declined)) == 1

"""The worked examples of the pages on coupons and credit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perennial.domain.credits import Grant, spend
from perennial.domain.errors import CommandRefused
from perennial.domain.subscription.lifecycle import check_stack
from perennial.domain.subscription.periods import after_a_period
from perennial.domain.subscription.state import Discount, discounted

HALF = Discount("HALF", percent=Decimal(50), combinable=True)
FIVE = Discount("FIVE", amount=500, combinable=True)


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def bills(price: int, plans: list[str], discounts: tuple[Discount, ...]) -> list[int]:
    """What each period costs, when the subscription is on these plans in turn."""
    amounts = []
    for plan in plans:
        amounts.append(discounted(price, discounts, plan))
        discounts = after_a_period(discounts, plan)
    return amounts


def test_two_coupons_in_their_order() -> None:
    assert discounted(900, (HALF, FIVE), "basic") == 0
    assert (HALF.off(900), FIVE.off(450)) == (450, 450)
    assert discounted(900, (FIVE, HALF), "basic") == 200
    assert (FIVE.off(900), HALF.off(400)) == (500, 200)


def test_a_coupon_for_three_periods() -> None:
    thrice = Discount("THRICE", percent=Decimal(20), periods_left=3)
    assert bills(2500, ["basic"] * 4, (thrice,)) == [2000, 2000, 2000, 2500]


def test_a_coupon_that_rests() -> None:
    once = replace(HALF, plans=("basic",), periods_left=1)
    assert discounted(2900, (once,), "premium") == 2900
    assert after_a_period((once,), "premium") == (once,)
    assert bills(900, ["basic", "basic"], (once,)) == [450, 900]


def test_coupons_that_do_not_go_together() -> None:
    alone = Discount("ALONE", percent=Decimal(10))
    several = tuple(replace(HALF, coupon=f"C{n}") for n in range(6))
    check_stack("sub_1", several[:5])
    for wrong in ((HALF, alone), (alone, HALF), (HALF, HALF), several):
        with pytest.raises(CommandRefused):
            check_stack("sub_1", wrong)


def test_which_credit_is_used_first() -> None:
    grants = [
        Grant("a", "a", 100, day("01-01")),
        Grant("b", "b", 200, day("01-02"), day("02-10")),
        Grant("c", "c", 300, day("01-03"), day("01-31")),
        Grant("d", "d", 400, day("01-04")),
    ]
    assert [(grant.id, part) for grant, part in spend(grants, 350)] == [("c", 300), ("b", 50)]
    left = [grants[0], replace(grants[1], remaining=150), grants[3]]
    used = [(grant.id, part) for grant, part in spend(left, 1000)]
    assert used == [("b", 150), ("a", 100), ("d", 400)]
    assert 1000 - sum(part for _, part in used) == 350


def test_credit_that_expires_in_between() -> None:
    grant = Grant("a", "a", 500, day("01-01"), day("02-10T12:00"))
    assert not grant.is_over(day("02-10T12:00") - timedelta(seconds=1))
    assert grant.is_over(day("02-10T12:00"))

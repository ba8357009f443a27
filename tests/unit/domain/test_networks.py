from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.networks import Attempt, Budget, Initiator, PastAttempt, counts, may_attempt

NOW = datetime(2026, 7, 15, 8, tzinfo=UTC)
NEXT = Attempt("card_a", 2500, "USD", Initiator.MERCHANT)
OK = Budget(allow=True, reason="ok")


def _tries(n: int, ago: timedelta, attempt: Attempt = NEXT, **about: Any) -> list[PastAttempt]:
    return [PastAttempt(NOW - ago, attempt, **about) for _ in range(n)]


@pytest.mark.parametrize(
    ("network", "most", "window", "reason"),
    [
        ("visa", 20, timedelta(days=30), "reattempts_30d"),
        ("mastercard", 10, timedelta(hours=24), "attempts_24h"),
        ("mastercard", 35, timedelta(days=30), "attempts_30d"),
    ],
)
def test_the_edge_of_number_and_window(network: str, most: int, window: timedelta, reason: str) -> None:
    """The window rolls back from now and includes its edge: never laxer than what the network may count."""
    assert may_attempt(network, NEXT, NOW, _tries(most - 1, window)) == OK
    refused = Budget(allow=False, reason=reason, again_at=NOW + timedelta(seconds=1))
    assert may_attempt(network, NEXT, NOW, _tries(most, window)) == refused
    assert may_attempt(network, NEXT, NOW, _tries(most, window + timedelta(microseconds=1))) == OK


@pytest.mark.parametrize(
    "other",
    [
        replace(NEXT, card="card_b"),
        replace(NEXT, amount=2501),
        replace(NEXT, currency="EUR"),
        replace(NEXT, initiator=Initiator.CUSTOMER),
    ],
)
def test_each_card_amount_currency_and_at_visa_initiator_has_its_counter(other: Attempt) -> None:
    assert may_attempt("visa", NEXT, NOW, _tries(20, timedelta(days=1), other)) == OK


def test_mastercard_counts_customers_and_originals_too() -> None:
    by_customers = _tries(5, timedelta(hours=1), replace(NEXT, initiator=Initiator.CUSTOMER))
    originals = _tries(5, timedelta(hours=2), original=True)
    assert not may_attempt("mastercard", NEXT, NOW, [*by_customers, *originals]).allow


def test_visa_does_not_count_originals() -> None:
    assert may_attempt("visa", NEXT, NOW, _tries(25, timedelta(days=1), original=True)) == OK


@pytest.mark.parametrize("network", ["visa", "mastercard", "amex"])
@pytest.mark.parametrize("about", [{"response_code": "43"}, {"response_code": "R1"}, {"advice_code": "21"}])
def test_a_refusal_for_good_has_no_window_and_no_amount(network: str, about: dict[str, Any]) -> None:
    long_ago = _tries(1, timedelta(days=900), replace(NEXT, amount=1), **about)
    assert may_attempt(network, NEXT, NOW, long_ago) == Budget(allow=False, reason="never_retry")
    assert may_attempt(network, replace(NEXT, card="card_b"), NOW, long_ago) == OK


@pytest.mark.parametrize("about", [{"response_code": "05"}, {"response_code": "54"}, {"advice_code": "02"}])
def test_other_refusals_only_count(about: dict[str, Any]) -> None:
    assert may_attempt("visa", NEXT, NOW, _tries(1, timedelta(days=1), **about)) == OK


def test_the_figures_in_force_at_the_time_count() -> None:
    before = datetime(2025, 5, 18, tzinfo=UTC)
    customer = replace(NEXT, initiator=Initiator.CUSTOMER)
    history = [PastAttempt(before - timedelta(days=1), customer)] * 15
    assert not may_attempt("visa", NEXT, before, history).allow
    assert may_attempt("visa", NEXT, before + timedelta(days=1), history).allow


def test_a_network_without_rules_allows() -> None:
    assert may_attempt("amex", NEXT, NOW, _tries(100, timedelta(hours=1))) == OK


@given(
    st.sampled_from(["visa", "mastercard"]),
    st.lists(st.tuples(st.integers(0, 40 * 24 * 3600), st.booleans()), max_size=60),
)
def test_the_date_that_is_told_is_the_first_one(network: str, past: list[tuple[int, bool]]) -> None:
    """One second earlier it is still refused, and then it is not, if nothing is tried meanwhile."""
    history = [PastAttempt(NOW - timedelta(seconds=ago), NEXT, original) for ago, original in past]
    budget = may_attempt(network, NEXT, NOW, history)
    if budget.again_at is None:
        assert budget == OK
        return
    assert budget.again_at > NOW
    assert may_attempt(network, NEXT, budget.again_at, history).allow
    assert not may_attempt(network, NEXT, budget.again_at - timedelta(seconds=1), history).allow


def test_only_who_counts_an_attempt_has_to_be_asked() -> None:
    names = ("visa", "mastercard", "amex")
    assert [name for name in names if counts(name, NOW, original=True)] == ["mastercard"]
    assert [name for name in names if counts(name, NOW, original=False)] == ["visa", "mastercard"]
    assert not counts("visa", datetime(2020, 1, 1, tzinfo=UTC), original=False)

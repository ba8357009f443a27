"""Routing: every customer somewhere, always at the same place, in the shares that the rules name."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.domain.errors import InvalidInput
from perennial.domain.routing import NoGateway, Rule, Share, bucket, check, order

NAMES = ("alpha", "beta", "gamma")
ALL = dict.fromkeys(NAMES, True)
PINNED = {"cus_1": 60, "cus_2": 22, "cus_ada": 78, "": 52}
PEOPLE = [f"cus_{n}" for n in range(4_000)]
people = st.text(min_size=1, max_size=30)
currencies, countries = st.sampled_from(["EUR", "USD", "JPY"]), st.sampled_from(["DE", "US", None])


@st.composite
def shares(draw: st.DrawFn) -> tuple[Share, ...]:
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, 3))]
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(names) - 1, max_size=len(names) - 1)))
    return tuple(Share(name, end - begin) for name, begin, end in zip(names, [0, *cuts], [*cuts, 100], strict=True))


rules = st.lists(
    st.builds(Rule, shares(), st.none() | st.sampled_from(["EUR", "USD"]), st.none() | st.sampled_from(["DE", "US"])),
    max_size=4,
)


def only(*parts: tuple[str, int]) -> list[Rule]:
    return [Rule(tuple(Share(*part) for part in parts))]


@given(rules, people, currencies, countries, st.sets(st.sampled_from(NAMES), min_size=1))
def test_every_customer_has_each_usable_gateway_once(
    rules: list[Rule], who: str, currency: str, country: str | None, usable: set[str]
) -> None:
    found = order(rules, who, currency, country, {name: name in usable for name in NAMES})
    assert sorted(found) == sorted(usable)


@given(rules, people, currencies, countries)
def test_it_is_the_same_every_time(rules: list[Rule], who: str, currency: str, country: str | None) -> None:
    assert order(rules, who, currency, country, ALL) == order(list(rules), who, currency, country, dict(ALL))


@given(rules, people, currencies, countries)
def test_the_first_rule_that_fits_decides(rules: list[Rule], who: str, currency: str, country: str | None) -> None:
    fitting = [rule for rule in rules if rule.fits(currency, country)]
    found = order(rules, who, currency, country, ALL)
    assert found == order(fitting[:1], who, currency, country, ALL)
    if not fitting:
        assert found == NAMES
    else:
        named = [share.gateway for share in fitting[0].shares]
        assert set(found[: len(named)]) == set(named)
        # The one that the share has picked comes first, the others keep the order of the rule.
        assert [name for name in named if name != found[0]] == list(found[1 : len(named)])


@given(shares())
def test_shares_hold_to_a_percent_of_the_buckets(parts: tuple[Share, ...]) -> None:
    by_bucket = {bucket(who): who for who in PEOPLE}
    assert len(by_bucket) == 100
    counted = Counter(order([Rule(parts)], who, "EUR", None, ALL)[0] for who in by_bucket.values())
    assert {share.gateway: share.percent for share in parts if share.percent} == dict(counted)


def test_people_fall_into_all_buckets_alike() -> None:
    counted = Counter(bucket(who) for who in PEOPLE)
    assert len(counted) == 100
    assert max(counted.values()) < 3 * len(PEOPLE) / 100


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_share_that_grows_takes_and_moves_nobody_else(before: int, after: int) -> None:
    small, large = sorted((before, after))
    for who in PEOPLE[:300]:
        was = order(only(("alpha", small), ("beta", 100 - small)), who, "EUR", None, ALL)[0]
        now = order(only(("alpha", large), ("beta", 100 - large)), who, "EUR", None, ALL)[0]
        assert now in (was, "alpha")


def test_nought_percent_is_for_outages() -> None:
    spare = only(("beta", 100), ("gamma", 0))
    assert {order(spare, who, "EUR", None, ALL) for who in PEOPLE[:200]} == {("beta", "gamma", "alpha")}


def test_a_gateway_without_the_currency_is_passed_by() -> None:
    takes = {"alpha": True, "beta": False, "gamma": True}
    assert order(only(("beta", 100), ("gamma", 0)), "cus_1", "EUR", None, takes) == ("gamma", "alpha")


def test_where_nobody_takes_the_currency_it_is_said() -> None:
    with pytest.raises(NoGateway, match="takes JPY"):
        order([], "cus_1", "JPY", None, {"alpha": False})


def test_buckets_are_for_ever() -> None:
    """What a customer's number is may never change: their cards would be looked for elsewhere."""
    assert {who: bucket(who) for who in PINNED} == PINNED


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (only(("alpha", 99)), "add up to 100"),
        (only(("alpha", 150), ("beta", -50)), "add up to 100"),
        (only(("alpha", 50), ("alpha", 50)), "named twice"),
        (only(("delta", 100)), "no gateway 'delta'; there are alpha, beta, gamma"),
        (only(("alpha", 100)) * 2, "an earlier rule"),
        ([Rule((Share("alpha", 100),), "EUR"), Rule((Share("beta", 100),), "EUR", "DE")], "an earlier rule"),
        ([Rule((Share("alpha", 100),), "EUR", "DE")] * 101, "at most 100"),
    ],
)
def test_what_makes_no_sense_is_refused(rules: list[Rule], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        check(rules, NAMES)


def test_the_narrow_rule_before_the_wide_one_is_fine() -> None:
    check([Rule((Share("alpha", 100),), "EUR", "DE"), Rule((Share("beta", 100),), "EUR"), *only(("gamma", 100))], NAMES)

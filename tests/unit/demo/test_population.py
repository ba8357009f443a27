"""The demo's population: of a seed, and with every part that the showcase promises."""

import pytest

from perennial.demo.acts import ACTS
from perennial.demo.giving import EXCHANGES
from perennial.demo.population import Group, Person, populate
from perennial.demo.roles import ROLES
from perennial.domain import calendar


def _people(groups: tuple[Group, ...]) -> list[Person]:
    return [person for group in groups for person in group.people]


def test_a_seed_is_a_population() -> None:
    assert populate(20, 12, 7) == populate(20, 12, 7)
    assert populate(20, 12, 7) != populate(20, 12, 8)


@pytest.mark.parametrize("customers", [1, 2, 3, 7, 16, 20, 33, 60])
def test_there_are_as_many_customers_as_asked_for_each_once(customers: int) -> None:
    for seed in range(20):
        numbers = [person.number for person in _people(populate(customers, 3, seed))]
        assert sorted(numbers) == list(range(customers))


def test_the_default_population_plays_everything_the_showcase_promises() -> None:
    for seed in range(30):
        people = _people(populate(20, 12, seed))
        acts = {act for person in people for _, act in person.acts}
        assert acts >= {"pause", "resume", "upgrade", "downgrade", "cancel_now", "cancel_at_period_end", "undo_cancel"}
        assert acts >= {"buy_gift", "claim_gift", "use_api", "add_on", "pay_invoice", "apply_coupon"}
        plans = {person.plan for person in people}
        assert plans & {"trial-monthly", "premium-monthly"}
        assert {"box-weekly", "standard-yearly", "api-monthly", "team-monthly"} <= plans
        assert any(person.has_coupon for person in people)
        assert any(person.net_days for person in people)
        assert plans & {"basic-monthly", "standard-monthly"}
        cards = {(person.card or "").split("_")[2] for person in people if person.card}
        assert {"declines", "dies"} <= cards
        assert len({person.currency for person in people}) > 1
        assert len({person.timezone for person in people}) > 1


def test_groups_begin_on_month_ends_and_nights_of_jumping_clocks() -> None:
    groups = populate(40, 12, 3)
    assert len({group.start for group in groups}) == len(groups) > 1
    walls = [calendar.to_wall(group.start, group.name.rpartition(" ")[2]) for group in groups]
    assert all(wall.day >= 29 for wall in walls)


def test_stops_lie_within_the_months_in_order() -> None:
    for seed in range(30):
        for group in populate(20, 5, seed):
            assert list(group.stops) == sorted(group.stops)
            assert group.start < group.stops[0]
            assert group.stops[-1] <= group.end
            assert all(0 <= stop < len(group.stops) for person in group.people for stop, _ in person.acts)


def test_a_gift_and_its_receiver_share_a_clock() -> None:
    for seed in range(30):
        for group in populate(20, 12, seed):
            numbers = {person.number for person in group.people}
            assert all(person.partner in numbers for person in group.people if person.partner is not None)


def test_every_act_of_every_role_is_known() -> None:
    assert {act for role in ROLES for _, act in role.acts} <= ACTS.keys() | EXCHANGES.keys()
    assert all(other in {role.name for role in ROLES} for role in ROLES if (other := role.partner))

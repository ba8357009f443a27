"""The plan of a run is a pure function of its seed: who lives, what they wish for, which blow falls at which beat."""

from itertools import islice

import pytest

from api.web.methods import TEST_CARDS
from perennial.chaos.kinds import PROCESSES, WEATHER, Kind, UnknownKind, parse
from perennial.chaos.population import ROLES, Place, populate
from perennial.chaos.storm import DECK, Blow, storm
from perennial.chaos.visits import UNANSWERED, Leaves

EVERYTHING = frozenset(Kind)


def _blows(seed: int, kinds: frozenset[Kind], beats: int = 5 * DECK) -> list[tuple[Blow, ...]]:
    return list(islice(storm(seed, kinds), beats))


def test_the_same_seed_gives_the_same_people_and_the_same_storm() -> None:
    assert populate(200, 6, 7) == populate(200, 6, 7)
    assert _blows(7, EVERYTHING) == _blows(7, EVERYTHING)


def test_another_seed_gives_other_people_and_another_storm() -> None:
    assert populate(200, 6, 7) != populate(200, 6, 8)
    assert _blows(7, EVERYTHING) != _blows(8, EVERYTHING)


@pytest.mark.parametrize("seed", range(20))
def test_every_deck_of_beats_has_every_blow_and_the_first_all_the_weather(seed: int) -> None:
    beats = _blows(seed, EVERYTHING)
    for start in range(0, len(beats), DECK):
        struck = [blow.kind for beat in beats[start : start + DECK] for blow in beat if blow.kind]
        assert set(struck) == set(PROCESSES)
        assert struck.count(Kind.KILL_WORKER) >= 4
    assert beats[0][-1].weather == frozenset(WEATHER)


def test_a_kind_falls_where_it_does_whatever_else_was_chosen() -> None:
    alone = _blows(3, frozenset({Kind.RESTART_POSTGRES}))
    among = _blows(3, EVERYTHING)

    def beats_of(storm: list[tuple[Blow, ...]]) -> list[int]:
        return [n for n, beat in enumerate(storm) if Blow(Kind.RESTART_POSTGRES) in beat]

    assert beats_of(alone) == beats_of(among) != []


def test_what_was_not_chosen_does_not_happen() -> None:
    for beat in _blows(1, frozenset({Kind.GATEWAY_429})):
        for blow in beat:
            assert blow.kind is None
            assert blow.weather is not None
            assert blow.weather <= {Kind.GATEWAY_429}


@pytest.mark.parametrize(("people", "months"), [(1, 1), (20, 3), (200, 6), (37, 13)])
def test_everybody_has_a_clock_and_every_wish_a_day(people: int, months: int) -> None:
    groups = populate(people, months, 5)
    assert sorted(person.number for group in groups for person in group.people) == list(range(people))
    for group in groups:
        instants = [group.start, *(stop.at for stop in group.stops), group.end]
        assert instants == sorted(set(instants))
        for person in group.people:
            for kinds in (EVERYTHING, frozenset[Kind]()):
                stops = [group.stop_of(wish, kinds) for wish in person.wishes]
                assert stops == sorted(stops)
                assert all(
                    group.stops[stop].month >= wish.month for stop, wish in zip(stops, person.wishes, strict=True)
                )
    roles = {person.role for group in groups for person in group.people}
    assert people < len(ROLES) or roles == set(ROLES)


def test_without_its_race_a_wish_waits_for_a_quiet_day() -> None:
    for group in populate(40, 4, 2):
        for wish in (wish for person in group.people for wish in person.wishes):
            assert group.stops[group.stop_of(wish, frozenset())].place is Place.BETWEEN
            assert group.stops[group.stop_of(wish, EVERYTHING)].place is wish.place


def test_kinds_by_name() -> None:
    assert parse("all") == EVERYTHING
    assert parse("none") == frozenset()
    assert parse("kill_worker, gateway_429") == {Kind.KILL_WORKER, Kind.GATEWAY_429}
    for text in ("", "kill_worker,earthquake", "all,none"):
        with pytest.raises(UnknownKind, match="restart_postgres"):
            parse(text)
    with pytest.raises(UnknownKind, match="unknown: earthquake;"):
        parse("kill_worker,earthquake")


def test_people_use_the_checkout_page_in_every_way() -> None:
    """Through both doors, with cards of the page alone; a bank that is left is left for good."""
    people = [person for group in populate(200, 6, 11) for person in group.people]
    visits = [wish.visit for person in people for wish in person.wishes if wish.visit]
    entries = [person.entry for person in people if person.entry]
    assert {visit.by_link for visit in visits} == {True, False}
    assert {visit.leaves for visit in visits} == {None, *Leaves}
    assert {entry.leaves for entry in entries} == {None, Leaves.BANK}
    assert {entry.first_leaves_another for entry in entries} == {True, False}
    for visit in (*visits, *entries):
        assert set(visit.cards) <= set(TEST_CARDS)
        assert (UNANSWERED in visit.cards) == (visit.leaves is not None)

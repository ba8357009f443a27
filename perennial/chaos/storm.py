"""The plan of faults: which blow falls at which beat. Pure: the same seed and kinds give the same storm.

A beat is about a second of the machine's time. What the engine is doing at a beat depends on how quick the machine is;
what is done to it does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from perennial.chaos.kinds import WEATHER, Kind

# Beats are dealt in decks: each deck holds every chosen kind of process fault at least once.
DECK = 40
# Deaths in a deck: one about every five seconds.
KILLS = 8
# The weather at the gateway changes after so many beats.
SPELL = 4
WORKERS = 2
BOTH = -1


@dataclass(frozen=True, slots=True)
class Blow:
    """`worker`: which one is killed (`BOTH`: all at once). `weather`: the gateway's faults from now on."""

    kind: Kind | None = None
    worker: int = 0
    weather: frozenset[Kind] | None = None


def storm(seed: int, kinds: frozenset[Kind]) -> Iterator[tuple[Blow, ...]]:
    """The blows of each beat, without end."""
    number = 0
    while True:
        yield from _deck(Random(f"storm {seed} {number}"), kinds, number)  # noqa: S311 - a plan, no secret
        number += 1


def _deck(chance: Random, kinds: frozenset[Kind], number: int) -> list[tuple[Blow, ...]]:
    beats: list[list[Blow]] = [[] for _ in range(DECK)]
    # The dice are thrown for every kind, chosen or not: so each falls where it would in another choice of kinds.
    for n in range(KILLS):
        at = n * DECK // KILLS + chance.randrange(DECK // KILLS)
        worker = BOTH if chance.random() < 0.2 else chance.randrange(WORKERS)  # noqa: PLR2004 - now and then
        beats[at].append(Blow(Kind.KILL_WORKER, worker=worker))
    # Both in the first half, so that a short run meets them; the other half is for getting somewhere.
    beats[chance.randrange(3, DECK // 4)].append(Blow(Kind.RESTART_POSTGRES))
    beats[chance.randrange(DECK // 4, DECK // 2)].append(Blow(Kind.RESTART_TEMPORAL))
    for n in range(DECK // SPELL):
        beats[n * SPELL].append(Blow(weather=_weather(chance, kinds, everything=number == 0 and n == 0)))
    return [tuple(blow for blow in beat if blow.kind is None or blow.kind in kinds) for beat in beats]


def _weather(chance: Random, kinds: frozenset[Kind], *, everything: bool) -> frozenset[Kind]:
    """Each kind every other time; a storm begins with all of them."""
    drawn = [kind for kind in WEATHER if chance.random() < 0.5 or everything]  # noqa: PLR2004 - a coin
    return frozenset(drawn) & kinds

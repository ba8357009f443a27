"""Tours of the reconciler: rounds one after the other, each in pages, each page a unit of work that may be run again.

A tour is named by the instant at which it began. Findings bear it; when a round is over, those that bear an older one
are gone.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.orm import Session

from perennial.checks.gateway import gateways
from perennial.checks.reconciliation import our_page, their_page
from perennial.checks.registry import CHECKS
from perennial.checks.result import Check
from perennial.checks.slices import slice_after
from perennial.contracts.reconciliation import Place, Tour
from perennial.db.repositories import findings
from perennial.db.repositories.findings import Found
from perennial.engine.context import Engine
from perennial.ports import PaymentGateway

# What is told of the whole book at once is told page by page here, and the findings themselves are no check of it.
_BY_PAGES = frozenset({"gateway_agrees", "disputes_agree", "reconciliation_finds_nothing"})
# What can hang between us and a gateway is looked at whenever the gateways are.
_WITH_GATEWAYS = frozenset({"no_payment_hangs"})
_log = structlog.get_logger(__name__)


Mend = Callable[[Engine, str, Sequence[Found]], Awaitable[bool]]
"""Mends what it may of the findings of a round, by its name; whether that was anything."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A page: what was found, and the cursor of the next one. `whole`: nothing was found beyond what is named."""

    found: Sequence[Found]
    next: str | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Round:
    """`name` is the source of its findings. It is left out when the round that it `follows` could not be finished."""

    name: str
    turn: Callable[[Engine, Place], Awaitable[Turned]]
    follows: str | None = None


def rounds(engine: Engine, tour: Tour) -> tuple[Round, ...]:
    match tour:
        case Tour.GATEWAYS:
            listed = [each for gateway in gateways(engine) for each in _both_ways(gateway)]
            return (*listed, *(_checked(check) for check in CHECKS if check.name in _WITH_GATEWAYS))
        case Tour.CHECKS:
            return tuple(_checked(check) for check in CHECKS if check.name not in _BY_PAGES | _WITH_GATEWAYS)


async def turn_page(engine: Engine, place: Place, mend: Mend | None = None) -> Place | None:
    """Look at one page, write down what is found, mend what may be mended, look again. None when the tour is over.

    Raises:
        GatewayError: the gateway does not answer. `skip_round` goes on without it.
        EngineUnavailable: PostgreSQL or Temporal is away.
    """
    assert place.began_at is not None
    here = _round_at(engine, place)
    if here is None:
        await _end(engine, place)
        return None
    if here.follows in place.missed:
        return await skip_round(engine, place)
    began, turned = place.began_at, await here.turn(engine, place)
    await engine.write(lambda session: findings.record(session, here.name, turned.found, began))
    if mend is not None and await mend(engine, here.name, turned.found):
        left = {(one.kind, one.subject) for one in (await here.turn(engine, place)).found}
        gone = [one for one in turned.found if (one.kind, one.subject) not in left]
        await engine.write(lambda session: findings.gone(session, here.name, gone, engine.clock()))
    whole = place.whole and turned.whole
    if turned.next is not None:
        return replace(place, round=here.name, after=turned.next, page=place.page + 1, whole=whole)
    if whole:
        await engine.write(lambda session: findings.resolve(session, here.name, began, engine.clock()))
    return await _next_round(engine, place, here)


async def skip_round(engine: Engine, place: Place) -> Place | None:
    """Go on with the next round. What this one might have found stays as it is."""
    here = _round_at(engine, place)
    if here is None:
        await _end(engine, place)
        return None
    _log.warning("round_missed", tour=place.tour.value, round=here.name)
    return await _next_round(engine, replace(place, missed=(*place.missed, here.name)), here)


async def go_round(engine: Engine, tour: Tour, limit: int = 1_000) -> None:
    """A whole tour, here and now; nothing is mended.

    Raises as `turn_page` does.
    """
    place: Place | None = Place(tour, began_at=engine.clock(), limit=limit)
    while place is not None:
        place = await turn_page(engine, place)


def _both_ways(gateway: PaymentGateway) -> tuple[Round, Round]:
    async def listed(engine: Engine, place: Place) -> Turned:
        return Turned(*await their_page(engine, gateway, place))

    async def posted(engine: Engine, place: Place) -> Turned:
        return Turned(*await our_page(engine, gateway, place))

    name = f"gateway:{gateway.name}"
    return Round(name, listed), Round(f"ledger:{gateway.name}", posted, follows=name)


def _checked(check: Check) -> Round:
    async def turn(engine: Engine, place: Place) -> Turned:
        part = await engine.read(lambda session: slice_after(session, check.cut, place.after, place.limit))
        seen = await check.look(engine, part)
        found = [Found(check.name, finding.subject, finding.problem) for finding in seen.findings]
        return Turned(found, part.until, whole=seen.count == len(seen.findings))

    return Round(check.name, turn)


def _round_at(engine: Engine, place: Place) -> Round | None:
    """None when there is none, or none of that name any more: this tour began under another version."""
    known = rounds(engine, place.tour)
    if not place.round:
        return known[0] if known else None
    return next((each for each in known if each.name == place.round), None)


async def _next_round(engine: Engine, place: Place, here: Round) -> Place | None:
    known = [each.name for each in rounds(engine, place.tour)]
    left = known[known.index(here.name) + 1 :]
    if not left:
        await _end(engine, place)
        return None
    return replace(place, round=left[0], after=None, page=1, whole=True)


async def _end(engine: Engine, place: Place) -> None:
    began, now = place.began_at, engine.clock()
    assert began is not None
    known = [each.name for tour in Tour for each in rounds(engine, tour)]

    def write(session: Session) -> None:
        findings.abandon(session, known, now)
        if not place.missed:
            findings.tour_ended(session, place.tour.value, began, now)

    await engine.write(write)

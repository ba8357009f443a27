"""Who lives through the chaos: people of a seed with cards and wishes. Pure: the same seed gives the same lives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any

from perennial.chaos.kinds import Kind
from perennial.chaos.visits import Visit, entering, paying, wavering
from perennial.demo.population import BEGINNINGS, NAMES
from perennial.domain import calendar
from perennial.domain.calendar import Interval, IntervalUnit

# Whoever shares a clock waits for the slowest: after a kill that may be fifteen seconds.
PEOPLE_A_CLOCK = 5
MOST_CLOCKS = 20
CURRENCIES = ("USD", "EUR", "JPY", "KWD")
GOOD_CARDS = ("pm_card_visa", "pm_card_mastercard", "pm_card_amex")
# A stop this short before something is due: workflows' clocks run on by themselves, so it falls due while people ask.
JUST_BEFORE = timedelta(seconds=2)
# After the last stop: long enough for every case of dunning to close, shorter than a month.
CALM = timedelta(days=20, hours=5)
_MONTH = Interval(IntervalUnit.MONTH)
_RETRY_DAY = 3


class Place(StrEnum):
    """Where in a month a stop lies: just before everybody renews, just before dunning's second retry, in between.

    Not every month has a quiet day in between: what is wished for then waits for the next one.
    """

    RENEWAL = "renewal"
    DUNNING = "dunning"
    BETWEEN = "between"


@dataclass(frozen=True, slots=True)
class Stop:
    """Month 0 is the first one; its beginning is no renewal."""

    month: int
    place: Place
    at: datetime


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that is asked for at a stop: a command's name and the fields of its body.

    Wishes of one person at one stop that belong to the same race are asked at the same time. `by_signal`: sent to the
    workflow as a signal, as support does. `visit`: what is open is paid at the checkout page, instead of a command.
    """

    month: int
    place: Place
    command: str
    body: Mapping[str, Any] = field(default_factory=dict)
    race: Kind | None = None
    by_signal: bool = False
    visit: Visit | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """`authenticates`: the card asks for 3-D Secure once, and its owner passes it.

    `entry`: they subscribe at the checkout page, with a card of that visit, and not through the API with `token`.
    """

    number: int
    name: str
    role: str
    plan: str
    quantity: int
    currency: str
    token: str
    wishes: tuple[Wish, ...]
    authenticates: bool = False
    entry: Visit | None = None

    @property
    def customer(self) -> str:
        return f"cus_{self.number:04}"

    @property
    def subscription(self) -> str:
        """Its id, unless the checkout page gives it one."""
        return f"sub_{self.number:04}"

    @property
    def method(self) -> str:
        """The id of the card that the API is given."""
        return f"pm_{self.number:04}"

    @property
    def bank_is_slow(self) -> bool:
        """Whether its word comes after the answer, by webhook."""
        return self.authenticates or self.token.startswith("pm_card_processing")


@dataclass(frozen=True, slots=True)
class Group:
    """People on one test clock (UTC). All of them begin at `start` and live in `timezone`."""

    number: int
    timezone: str
    start: datetime
    stops: tuple[Stop, ...]
    end: datetime
    people: tuple[Person, ...]

    @property
    def clock(self) -> str:
        return f"clk_{self.number:02}"

    def stop_of(self, wish: Wish, kinds: frozenset[Kind]) -> int:
        """The number of the stop at which it is asked for. Without its race it waits for a quiet day."""
        place = wish.place if wish.race is None or wish.race in kinds else Place.BETWEEN
        return next(
            number for number, stop in enumerate(self.stops) if stop.month >= wish.month and stop.place is place
        )


def populate(subscriptions: int, months: int, seed: int) -> tuple[Group, ...]:
    """So many people; each part of `ROLES` is played before one is played again."""
    chance = Random(f"chaos {seed}")  # noqa: S311 - a population, no secret
    clocks = max(1, min(MOST_CLOCKS, subscriptions // PEOPLE_A_CLOCK))
    beginnings = chance.sample(BEGINNINGS * -(-MOST_CLOCKS // len(BEGINNINGS)), clocks)
    people = [_person(chance, number, months) for number in range(subscriptions)]
    return tuple(
        _group(chance, number, beginning, months, tuple(people[number::clocks]))
        for number, beginning in enumerate(beginnings)
    )


def _group(
    chance: Random, number: int, beginning: tuple[datetime, str], months: int, people: tuple[Person, ...]
) -> Group:
    wall, timezone = beginning
    start, *renewals = (calendar.boundary(wall, _MONTH, timezone, month) for month in range(months + 1))
    stops = [Stop(0, Place.BETWEEN, _between(chance, start))]
    for month, at in enumerate(renewals, 1):
        retry = calendar.add_local_days(at, _RETRY_DAY, timezone)
        stops.append(Stop(month, Place.RENEWAL, at - JUST_BEFORE))
        stops.append(Stop(month, Place.DUNNING, retry - JUST_BEFORE))
        if month % 2 == 0 or month == months:
            stops.append(Stop(month, Place.BETWEEN, _between(chance, at)))
    return Group(number, timezone, start, tuple(stops), renewals[-1] + CALM, people)


def _between(chance: Random, renewal: datetime) -> datetime:
    """Four to six days after the renewal, and hours away from the time of day at which things are due."""
    return renewal + timedelta(days=chance.randint(4, 5), seconds=chance.randrange(4 * 3600, 20 * 3600))


# --- parts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    token: str = ""
    plan: str = ""
    quantity: int = 1
    wishes: tuple[Wish, ...] = ()
    authenticates: bool = False
    entry: Visit | None = None


_Role = Callable[[Random, int], _Part]


def _person(chance: Random, number: int, months: int) -> Person:
    role = _cast(chance, number)
    part = ROLES[role](chance, months)
    plan = part.plan or chance.choice(("basic-monthly", "standard-monthly"))
    return Person(
        number=number,
        name=NAMES[number % len(NAMES)],
        role=role,
        plan=plan,
        quantity=part.quantity,
        currency=chance.choice(CURRENCIES),
        token=f"{part.token or chance.choice(GOOD_CARDS)}:{number}",
        wishes=part.wishes,
        authenticates=part.authenticates,
        entry=part.entry,
    )


def _cast(chance: Random, number: int) -> str:
    names = tuple(ROLES)
    return names[number] if number < len(names) else chance.choice(names)


def _is_loyal(chance: Random, _months: int) -> _Part:
    plan = chance.choice(("basic-monthly", "standard-monthly", "team-monthly", "box-weekly", "standard-yearly"))
    return _Part(plan=plan, quantity=chance.randint(1, 9) if plan == "team-monthly" else 1)


def _has_an_unlucky_bank(chance: Random, _months: int) -> _Part:
    """Answers get lost, calls are refused, answers are slow."""
    card = chance.choice(("pm_card_captures_then_times_out", "pm_card_times_out_before_capture"))
    return _Part(token=chance.choice((card, card, f"pm_card_outage_{chance.randint(1, 3)}", "pm_card_slow_120")))


def _has_a_slow_bank(chance: Random, _months: int) -> _Part:
    """What becomes of a charge is told by webhooks."""
    if chance.random() < 0.5:  # noqa: PLR2004 - a coin
        return _Part(token="pm_card_threeDSecureOnce", authenticates=True)  # noqa: S106 - a test card
    return _Part(token=chance.choice(("pm_card_processing_300", "pm_card_webhook_twice", "pm_card_webhook_late_200")))


def _is_poor(chance: Random, months: int) -> _Part:
    """A renewal is declined; at the instant of a retry by the policy the customer tries it too."""
    month = chance.randint(1, months)
    token = f"pm_card_declines_charges_{month + 1}_to_{month + 1 + chance.randint(1, 2)}"
    retry = Wish(month, Place.DUNNING, "retry_payment", race=Kind.RACE_PORTAL, by_signal=chance.random() < 0.3)  # noqa: PLR2004
    again = Wish(month, Place.DUNNING, "retry_payment", race=Kind.RACE_PORTAL)
    return _Part(token=token, wishes=(retry, again)[: chance.randint(1, 2)])


def _pays_at_the_last_moment(chance: Random, months: int) -> _Part:
    """The card is dead from a renewal on; its invoice is paid at the checkout page while the old card is charged."""
    month = chance.randint(1, months)
    visits = [paying(chance)]
    if chance.random() < 0.3:  # noqa: PLR2004 - two windows
        visits.append(paying(chance))
    wishes = [_visit(month, Place.RENEWAL, visit) for visit in visits]
    if chance.random() < 0.3:  # noqa: PLR2004 - and somebody in support helps
        wishes.append(Wish(month, Place.RENEWAL, "retry_payment", race=Kind.RACE_CHECKOUT))
    return _Part(token=f"pm_card_dies_after_{month}", wishes=tuple(wishes))


def _follows_a_mail(chance: Random, months: int) -> _Part:
    """A renewal and the first retry are declined; the page is open when the second one is due, and is left or not."""
    month = chance.randint(1, months)
    token = f"pm_card_declines_charges_{month + 1}_to_{month + chance.randint(2, 3)}"
    if chance.random() < 0.5:  # noqa: PLR2004 - a coin
        return _Part(token=token, wishes=(_visit(month, Place.DUNNING, paying(chance)),))
    back = _visit(month, Place.BETWEEN, paying(chance, by_bank=False))
    return _Part(token=token, wishes=(_visit(month, Place.DUNNING, wavering(chance)), back)[: chance.randint(1, 2)])


def _subscribes_on_the_page(chance: Random, _months: int) -> _Part:
    return _Part(entry=entering(chance))


def _visit(month: int, place: Place, visit: Visit) -> Wish:
    return Wish(month, place, "checkout", race=Kind.RACE_CHECKOUT, visit=visit)


def _leaves_at_the_renewal(chance: Random, months: int) -> _Part:
    month = chance.randint(1, months)
    body: dict[str, Any] = {"when": "period_end"}
    if chance.random() < 0.7:  # noqa: PLR2004 - most of them
        body = {"when": "now", "refund": chance.choice(("none", "prorated", "full"))}
    by_signal = chance.random() < 0.3  # noqa: PLR2004 - some
    return _Part(wishes=(Wish(month, Place.RENEWAL, "cancel", body, race=Kind.RACE_CANCEL, by_signal=by_signal),))


def _upgrades_twice(chance: Random, months: int) -> _Part:
    """Two browser tabs, now in the middle of a month, now at the renewal."""
    month = chance.randint(1, months)
    place = chance.choice((Place.BETWEEN, Place.RENEWAL))
    tabs: list[tuple[str, dict[str, Any]]]
    if chance.random() < 0.5:  # noqa: PLR2004 - a coin
        tabs = [("change_plan", {"plan": plan}) for plan in ("standard-monthly", "premium-monthly")]
        plan, quantity = "basic-monthly", 1
    else:
        seats = sorted(chance.sample(range(3, 12), 2))
        tabs = [("change_quantity", {"quantity": count}) for count in seats]
        plan, quantity = "team-monthly", 2
    wishes = tuple(Wish(month, place, command, body, race=Kind.RACE_UPGRADE) for command, body in tabs)
    return _Part(plan=plan, quantity=quantity, wishes=wishes)


def _pauses(chance: Random, months: int) -> _Part:
    month = chance.randint(0, months - 1)
    pause = Wish(month, Place.BETWEEN, "pause", by_signal=chance.random() < 0.5)  # noqa: PLR2004 - a coin
    return _Part(wishes=(pause, Wish(min(month + 2, months), Place.BETWEEN, "resume")))


def _wavers(chance: Random, months: int) -> _Part:
    month = chance.randint(0, months)
    cancel = Wish(month, Place.BETWEEN, "cancel", {"when": "period_end"})
    return _Part(wishes=(cancel, Wish(month, Place.BETWEEN, "undo_cancel")))


def _skips(chance: Random, months: int) -> _Part:
    return _Part(wishes=(Wish(chance.randint(0, months - 1), Place.BETWEEN, "skip_next"),))


ROLES: Mapping[str, _Role] = {
    "is loyal": _is_loyal,
    "pays at the last moment": _pays_at_the_last_moment,
    "follows a mail": _follows_a_mail,
    "subscribes on the page": _subscribes_on_the_page,
    "is poor": _is_poor,
    "leaves at the renewal": _leaves_at_the_renewal,
    "upgrades twice": _upgrades_twice,
    "has an unlucky bank": _has_an_unlucky_bank,
    "has a slow bank": _has_a_slow_bank,
    "pauses": _pauses,
    "wavers": _wavers,
    "skips": _skips,
}

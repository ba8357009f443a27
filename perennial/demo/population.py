"""Who lives in the demo: a random population of a seed. Pure: the same seed gives the same people and the same days."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from perennial.demo.roles import ROLES, Role
from perennial.domain import calendar
from perennial.domain.calendar import Interval, IntervalUnit

PEOPLE_A_CLOCK = 5
MOST_CLOCKS = 8
_MONTH = Interval(IntervalUnit.MONTH)

# Beginnings that calendars trip over (local wall times), in zones that jump at night, by half hours or by a whole day.
BEGINNINGS = tuple(
    (datetime.fromisoformat(wall), timezone)
    for wall, timezone in (
        ("2026-01-31 10:00", "America/New_York"),
        ("2027-01-30 23:30", "Europe/Berlin"),
        ("2028-02-29 06:15", "UTC"),
        ("2025-10-31 02:30", "Australia/Lord_Howe"),
        ("2026-03-29 01:30", "Europe/London"),
        ("2026-12-31 23:59:59", "Asia/Kathmandu"),
        ("2011-10-31 12:00", "Pacific/Apia"),
        ("2026-08-31 00:00", "America/Santiago"),
    )
)
TIMEZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "Asia/Tokyo",
)
CURRENCIES = ("USD", "EUR", "GBP", "JPY", "KWD")
NAMES = (
    "Ada", "Bram", "Chidi", "Dora", "Emil", "Fatima", "Goran", "Hana", "Ines", "Jonas", "Kwame", "Lena", "Mei", "Nils",
    "Olga", "Pavel", "Qadir", "Rosa", "Sven", "Tala", "Uma", "Vera", "Wim", "Xenia", "Yusuf", "Zoe",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """`acts` are names with the number of the stop at which they happen. `plan` None: no subscription to begin with.

    `partner` is the number of the person for whom a gift is. `seed` is the person's own source of chance, so that what
    one does never depends on how quick another was.
    """

    number: int
    name: str
    role: str
    timezone: str
    currency: str
    card: str | None
    plan: str | None
    quantity: int
    has_coupon: bool
    net_days: int | None
    acts: tuple[tuple[int, str], ...]
    partner: int | None
    seed: str


@dataclass(frozen=True, slots=True)
class Group:
    """People on one test clock, which stops at `stops` and `end` (UTC)."""

    name: str
    start: datetime
    end: datetime
    stops: tuple[datetime, ...]
    people: tuple[Person, ...]


def populate(customers: int, months: int, seed: int) -> tuple[Group, ...]:
    """As many customers, in groups that begin on different days."""
    chance = Random(f"population {seed}")  # noqa: S311 - a population, no secret
    roles = _cast(chance, customers)
    clocks = max(1, min(MOST_CLOCKS, customers // PEOPLE_A_CLOCK))
    beginnings = chance.sample(BEGINNINGS, clocks)
    shares: list[list[tuple[Role, int, int | None]]] = [[] for _ in beginnings]
    number = 0
    for role in roles:
        share = min(shares, key=len) if role.name != "receives" else shares[-1]
        if role.partner and number + 1 < customers:
            # The gift and its receiver live on one clock.
            receiver = next(other for other in ROLES if other.name == role.partner)
            share += [(role, number, number + 1), (receiver, number + 1, None)]
            number += 2
        elif number < customers:
            share.append((role, number, None))
            number += 1
    return tuple(
        _group(chance, seed, months, beginning, share) for beginning, share in zip(beginnings, shares, strict=True)
    )


def _cast(chance: Random, customers: int) -> list[Role]:
    """The parts in the order of their importance, then any. Receivers come with their givers."""
    alone = [role for role in ROLES if role.name != "receives"]
    if customers < len(alone) // 2:
        chance.shuffle(alone)
    return alone[:customers] + [chance.choice(alone) for _ in range(customers - len(alone))]


def _group(
    chance: Random,
    seed: int,
    months: int,
    beginning: tuple[datetime, str],
    share: list[tuple[Role, int, int | None]],
) -> Group:
    wall, timezone = beginning
    start, end = (calendar.boundary(wall, _MONTH, timezone, index) for index in (0, months))
    stops = tuple(_stop(chance, wall, timezone, month) for month in range(months))
    people = tuple(_person(chance, seed, role, number, partner, timezone, months) for role, number, partner in share)
    return Group(f"{wall:%Y-%m-%d} {timezone}", start, end, stops, people)


def _stop(chance: Random, wall: datetime, timezone: str, month: int) -> datetime:
    """Some time in the month; now and then the very instant at which renewals are due, or shortly before or after it.

    Not just before: between two advances a workflow's own clock runs on with the machine's.
    """
    first, last = (calendar.boundary(wall, _MONTH, timezone, index) for index in (month, month + 1))
    if month and chance.random() < 0.25:  # noqa: PLR2004 - now and then
        return first + timedelta(seconds=chance.choice((-600, 0, 0, 1)))
    seconds = int((last - first).total_seconds())
    return first + timedelta(seconds=chance.randrange(60, seconds - 60))


def _person(
    chance: Random, seed: int, role: Role, number: int, partner: int | None, timezone: str, months: int
) -> Person:
    card = chance.choice(role.cards) if role.cards else None
    if role.name == "receives" and chance.random() < 0.5:  # noqa: PLR2004 - without a card a gift ends, with one it goes on
        card = None
    first = chance.randint(1, 4)
    acts: list[tuple[int, str]] = []
    for at, act in role.acts:
        stop = min(max(int((at + chance.uniform(-0.08, 0.08)) * months), 0), months - 1)
        acts.append((max(stop, acts[-1][0] if acts else 0), act))
    return Person(
        number=number,
        name=NAMES[number % len(NAMES)],
        role=role.name,
        timezone=timezone if chance.random() < 0.5 else chance.choice(TIMEZONES),  # noqa: PLR2004
        currency=chance.choice(CURRENCIES),
        card=f"{card.format(n=first, m=first + chance.randint(0, 3))}:{number}" if card else None,
        plan=chance.choice(role.plans) if role.plans else None,
        quantity=chance.randint(1, 12) if role.plans == ("team-monthly",) else chance.choice((1, 1, 1, 2)),
        has_coupon=role.coupons,
        net_days=role.net_days,
        acts=tuple(acts),
        partner=partner,
        seed=f"{seed}:{number}",
    )

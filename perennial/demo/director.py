"""Lets the groups live: people come, clocks advance from stop to stop, and at each stop people ask for things."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random

from perennial.demo.acts import ACTS, COUPONS
from perennial.demo.giving import EXCHANGES
from perennial.demo.places import SELLER, place_of
from perennial.demo.population import Group, Person
from perennial.demo.scene import Diary, Scene
from perennial.domain.coupons import CouponTerms
from perennial.engine import clocks, coupons, customers, demo_catalog, seller, subscriptions
from perennial.engine.context import Engine
from perennial.engine.subscriptions import NewSubscription


async def play(engine: Engine, groups: Sequence[Group], tick: Callable[[], None]) -> Diary:
    """Everything from the catalogue to the last instant. `tick` is called once for each of `steps(groups)`."""
    diary = Diary()
    await demo_catalog.seed(engine)
    await seller.put(engine, SELLER)
    await coupons.create(engine, CouponTerms(code=COUPONS[0], percent_off=Decimal(25)))
    await coupons.create(engine, CouponTerms(code=COUPONS[1], percent_off=Decimal(50), duration_periods=3))
    async with asyncio.TaskGroup() as tasks:
        for group in groups:
            tasks.create_task(_live(engine, group, diary, tick))
    return diary


def steps(groups: Sequence[Group]) -> int:
    return sum(len(group.stops) + 1 for group in groups)


async def _live(engine: Engine, group: Group, diary: Diary, tick: Callable[[], None]) -> None:
    clock = await clocks.create(engine, name=group.name, now=group.start)
    scenes = await asyncio.gather(*(_enter(engine, diary, person, clock.id) for person in group.people))
    for number, stop in enumerate(group.stops):
        await clocks.advance(engine, clock.id, to=stop)
        for scene in scenes:
            for act in (name for at, name in scene.person.acts if at == number):
                await _perform(scene, act, scenes)
        tick()
    await clocks.advance(engine, clock.id, to=group.end)
    tick()


async def _perform(scene: Scene, act: str, scenes: Sequence[Scene]) -> None:
    if act in EXCHANGES:
        await EXCHANGES[act](scene, scenes)
    else:
        await ACTS[act](scene)


async def _enter(engine: Engine, diary: Diary, person: Person, clock: str) -> Scene:
    """A customer with a card and a subscription, as far as the part has them."""
    place = place_of(person.number)
    customer = await customers.create(
        engine,
        name=person.name,
        email=f"{person.name.lower()}{person.number}@example.com",
        timezone=person.timezone,
        id=f"cus_{person.number:04}",
        company=place.company,
        address_line1=f"{person.number + 1} Garden Row",
        postal_code=place.postal_code,
        city=place.city,
        region=place.region,
        country=place.country,
        vat_number=place.vat_number,
    )
    if person.card:
        await customers.attach_payment_method(engine, customer.id, person.card)
    scene = Scene(engine, diary, person, clock, customer.id, Random(person.seed))  # noqa: S311 - no secret
    if person.plan:
        new = NewSubscription(
            customer_id=customer.id,
            plan=person.plan,
            currency=person.currency,
            quantity=person.quantity,
            coupons=(scene.chance.choice(COUPONS),) if person.has_coupon else (),
            net_days=person.net_days,
            test_clock_id=clock,
            id=f"sub_{person.number:04}",
        )
        view = await scene.attempt("subscribed", lambda: subscriptions.create(engine, new))
        scene.subscription = view.id if view else None
    return scene

"""Gifts: bought, delivered, claimed (once), cancelled. They concern two people of one clock."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from perennial.demo.roles import MONTHLY
from perennial.demo.scene import Scene
from perennial.engine import gifts
from perennial.engine.gifts import NewGift
from perennial.engine.subscriptions import edge_time

Exchange = Callable[[Scene, Sequence[Scene]], Awaitable[None]]


async def buy_gift(scene: Scene, others: Sequence[Scene]) -> None:
    """Sometimes to be delivered later."""
    engine, person = scene.engine, scene.person
    receiver = next((other for other in others if other.person.number == person.partner), None)
    plan, periods = scene.chance.choice(MONTHLY), scene.chance.randint(1, 4)
    wait = timedelta(days=scene.chance.choice((0, 0, 3, 10)))
    clock = await engine.read(lambda session: edge_time(engine, session, scene.clock))
    gift = await scene.attempt(
        "gift bought",
        lambda: gifts.buy(
            engine,
            NewGift(
                giver_id=scene.customer,
                plan=plan,
                currency=person.currency,
                periods=periods,
                recipient_email=f"friend{person.number}@example.com",
                recipient_name=receiver.person.name if receiver else "A friend",
                message="Enjoy it!",
                deliver_at=clock + wait,
                test_clock_id=scene.clock,
                id=f"gift_{person.number}",
            ),
        ),
    )
    if gift:
        scene.gift, scene.claim_code = gift.id, gift.claim_code
        if receiver:
            receiver.gift, receiver.claim_code = gift.id, gift.claim_code


async def claim_gift(scene: Scene, _others: Sequence[Scene]) -> None:
    """The first one who comes with the code; whoever comes again is told so."""
    code = scene.claim_code
    if code is None:
        return
    scene.requests += 1
    request = f"{scene.person.seed}:{scene.requests}"
    claimed = await scene.attempt(
        "gift claimed",
        lambda: gifts.claim(scene.engine, code, scene.customer, timezone=scene.person.timezone, request_id=request),
    )
    if claimed:
        scene.subscription = claimed[1]


async def cancel_gift(scene: Scene, _others: Sequence[Scene]) -> None:
    gift = scene.gift
    if gift:
        await scene.attempt("gift cancelled", lambda: gifts.cancel(scene.engine, gift, f"{scene.person.seed}:back"))


EXCHANGES: Mapping[str, Exchange] = {
    "buy_gift": buy_gift,
    "claim_gift": claim_gift,
    "claim_again": claim_gift,
    "cancel_gift": cancel_gift,
}

"""Gifts, from the purchase to the claim, the expiry or the cancellation. See `lives.py`."""

from perennial.engine import gifts
from tests.replay.scene import Takes, authenticate, buy_gift
from tests.support.stage import Stage, at


async def gift_claimed(stage: Stage) -> Takes:
    """Delivered later; the recipient's subscription is a child, is told that it ends, and is converted."""
    clock = await stage.clock("2026-01-15 10:00")
    gift = await buy_gift(stage, clock, await stage.customer(), deliver_at=at("2026-02-01 10:00"))
    await stage.advance(clock, "2026-02-05 10:00")
    code = (await gifts.get(stage.engine, gift)).claim_code
    _, sub = await gifts.claim(stage.engine, code, await stage.customer(card="pm_card_visa"))
    await stage.advance(clock, "2026-06-01 10:00")
    return {"": stage.handle(gift), "subscription": stage.handle(sub)}


async def gift_for_a_subscriber(stage: Stage) -> Takes:
    clock = await stage.clock("2026-01-15 10:00")
    sub = await stage.subscribe(clock)
    await stage.send(sub, "gift", gift_id="gift_for_a_subscriber", periods=2)
    await stage.advance(clock, "2026-05-01 10:00")
    return {"": stage.handle(sub)}


async def gift_expired(stage: Stage) -> Takes:
    clock = await stage.clock("2026-01-15 10:00")
    gift = await buy_gift(stage, clock, await stage.customer())
    await stage.advance(clock, "2027-03-01 10:00")
    return {"": stage.handle(gift)}


async def gift_canceled(stage: Stage) -> Takes:
    clock = await stage.clock("2026-01-15 10:00")
    gift = await buy_gift(stage, clock, await stage.customer(), deliver_at=at("2026-03-01 10:00"))
    await stage.advance(clock, "2026-02-01 10:00")
    await gifts.cancel(stage.engine, gift)
    return {"": stage.handle(gift)}


async def gift_never_paid(stage: Stage) -> Takes:
    """The customer fails 3-D Secure; the gateway's word comes as a signal."""
    clock = await stage.clock("2026-01-15 10:00")
    gift = await buy_gift(stage, clock, await stage.customer("pm_card_authenticationRequired"))
    await authenticate(stage, gift, success=False)
    await stage.signal(gift, "payment_event", at("2026-01-15 10:00"), invoice=f"invoice:{gift}", attempt=1)
    await stage.handle(gift).result()
    return {"": stage.handle(gift)}

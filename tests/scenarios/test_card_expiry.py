"""A card that expires is told of 30 and 7 days before, once each, to who is still charged to it."""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

from activities.bookkeeping import BookkeepingActivities
from perennial.contracts.workflows import BOOKKEEPING, Kept
from perennial.notifications.mailbox import LocalMailbox
from perennial.notifications.relay import Relay
from tests.support.stage import Stage, at


async def told(stage: Stage, sub: str) -> list[datetime]:
    rows = await stage.rows(
        "SELECT occurred_at FROM outbox_messages WHERE subscription_id = :id AND kind = 'card_expiring' ORDER BY id",
        id=sub,
    )
    return [row.occurred_at for row in rows]


async def test_on_a_test_clock_each_at_its_own_instant(stage: Stage) -> None:
    """The card of June 2026, where it is Berlin: 1 June and 24 June, midnight there; moved in many steps or in one."""
    clock = await stage.clock("2026-04-10 09:00")
    sub = await stage.subscribe(clock, card="pm_card_expires_2026_6", timezone="Europe/Berlin")
    await stage.advance(clock, "2026-05-31 21:59")
    assert await told(stage, sub) == []
    await stage.advance(clock, "2026-05-31 22:00")
    await stage.advance(clock, "2026-06-02 09:00")
    assert await told(stage, sub) == [at("2026-05-31 22:00")]
    await stage.advance(clock, "2026-08-01 09:00")
    assert await told(stage, sub) == [at("2026-05-31 22:00"), at("2026-06-23 22:00")]


async def test_who_is_not_charged_to_it_is_not_told(stage: Stage) -> None:
    """Replaced by another card, canceled, or about to be."""
    clock = await stage.clock("2026-04-10 09:00")
    card = "pm_card_expires_2026_6"
    replaced, canceled, ending, kept = [await stage.subscribe(clock, card=card) for _ in range(4)]
    await stage.send(
        replaced, "set_payment_method", payment_method_id=await stage.card(stage.owners[replaced], "pm_card_visa")
    )
    await stage.send(canceled, "cancel", when="now")
    await stage.advance(clock, "2026-06-05 09:00")
    assert [len(await told(stage, sub)) for sub in (replaced, canceled, ending, kept)] == [0, 0, 1, 1]
    await stage.send(ending, "cancel")
    await stage.advance(clock, "2026-06-30 09:00")
    assert [len(await told(stage, sub)) for sub in (ending, kept)] == [1, 2]


async def test_a_card_that_its_bank_has_renewed_is_told_of_no_more(stage: Stage) -> None:
    clock = await stage.clock("2026-04-10 09:00")
    sub = await stage.subscribe(clock, card="pm_card_expires_2026_6")
    await stage.advance(clock, "2026-06-02 09:00")
    await stage.execute("UPDATE payment_methods SET exp_year = 2029 WHERE customer_id = :id", id=stage.owners[sub])
    await stage.advance(clock, "2026-07-10 09:00")
    assert len(await told(stage, sub)) == 1


async def test_in_real_time_a_daily_look_tells_it_once(stage: Stage) -> None:
    """The mail names the card; who lives on a test clock is told by that alone."""
    card, day = "pm_card_expires_2033_06", at("2033-06-10 03:10")
    sub, far = await stage.subscribe(None, card=card), await stage.subscribe(None, card="pm_card_visa")
    on_a_clock = await stage.subscribe(await stage.clock(day), card=card)
    look = BookkeepingActivities(stage.engine.sessions).remind_of_cards
    assert [await asyncio.to_thread(look, day + timedelta(hours=hours)) for hours in (0, 1, 24)] == [1, 1, 1]
    assert [len(await told(stage, each)) for each in (sub, far, on_a_clock)] == [1, 0, 0]
    assert await asyncio.to_thread(look, at("2033-06-28 03:10")) == 1
    assert [len(await told(stage, each)) for each in (sub, far, on_a_clock)] == [2, 0, 0]
    relay = Relay(stage.engine.sessions, (LocalMailbox(stage.engine.sessions, stage.engine.clock),), stage.engine.clock)
    while relay.run_once(500):
        pass
    mails = await stage.rows(
        "SELECT subject, body FROM mailbox_messages WHERE customer_id = :id AND kind = 'card_expiring'",
        id=stage.owners[sub],
    )
    assert [mail.subject for mail in mails] == ["Your visa card ending in 4242 expires soon"] * 2
    assert "expires in 06/2033" in mails[0].body


async def test_it_belongs_to_the_daily_bookkeeping(stage: Stage) -> None:
    handle = await stage.engine.temporal.start_workflow(
        BOOKKEEPING, id=f"bookkeeping-{uuid4().hex}", task_queue=stage.engine.settings.task_queue, result_type=Kept
    )
    assert (await handle.result()).card_reminders >= 0
    events = (await handle.fetch_history()).events
    scheduled = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
    assert "remind_of_cards" in scheduled

"""What helps a failed payment: another card, a better hour, a payday, another policy."""

from dataclasses import replace

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.dunning import DEFAULT_POLICY, FinalAction
from perennial.engine import customers
from tests.support.stage import Stage, at

DECLINES_ONCE = "pm_card_declines_charges_2_to_2"


async def attempts(stage: Stage, sub: str) -> list[tuple[str, str, str]]:
    rows = await stage.rows(
        "SELECT p.trigger, p.status, to_char(p.started_at AT TIME ZONE 'UTC', 'MM-DD HH24:MI') AS at "
        "FROM payment_attempts p JOIN invoices i ON i.id = p.invoice_id WHERE i.subscription_id = :id "
        "ORDER BY i.issued_at, p.n",
        id=sub,
    )
    return [tuple(row) for row in rows]


async def test_the_backup_is_tried_at_once_and_the_case_is_closed(stage: Stage) -> None:
    clock = await stage.clock("2026-01-10 10:00")
    sub = await stage.subscribe(clock, card="pm_card_declines_charges_2_to_9")
    owner = stage.owners[sub]
    backup = await customers.attach_payment_method(stage.engine, owner, "pm_card_mastercard", default=False)
    await customers.set_roles(stage.engine, owner, backup.id, backup=True)
    await stage.advance(clock, "2026-02-11 10:00")
    assert await attempts(stage, sub) == [
        ("automatic", "succeeded", "01-10 10:00"),
        ("automatic", "declined", "02-10 10:00"),
        ("backup", "succeeded", "02-10 10:00"),
    ]
    assert (await stage.view(sub)).status == "active"
    await stage.once_each(sub)


async def test_a_backup_that_is_declined_too_leaves_the_case_to_the_policy(stage: Stage) -> None:
    clock = await stage.clock("2026-01-10 10:00")
    sub = await stage.subscribe(clock, card=DECLINES_ONCE)
    owner = stage.owners[sub]
    backup = await customers.attach_payment_method(stage.engine, owner, "pm_card_chargeDeclined", default=False)
    await customers.set_roles(stage.engine, owner, backup.id, backup=True)
    await stage.advance(clock, "2026-02-12 10:00")
    assert [(trigger, status) for trigger, status, _ in await attempts(stage, sub)][1:] == [
        ("automatic", "declined"),
        ("backup", "declined"),
        ("schedule", "succeeded"),
    ]
    assert (await stage.view(sub)).status == "active"


async def test_retries_come_at_the_hour_of_the_policy_and_wait_for_a_payday(stage: Stage) -> None:
    """Declined on 10 February at 10:00: the retry of the 13th waits for the 15th, at nine in the morning."""
    policy = replace(DEFAULT_POLICY, retry_offsets_days=(3, 10), retry_hour=9, prefer_paydays=True)
    plan = await stage.plan(
        "patient",
        interval=Interval(IntervalUnit.MONTH),
        prices={"USD": {"type": "flat", "amount": "9.00"}},
        dunning=policy,
    )
    clock = await stage.clock("2026-01-10 10:00")
    sub = await stage.subscribe(clock, plan, card=DECLINES_ONCE)
    await stage.advance(clock, "2026-02-16 10:00")
    assert (await attempts(stage, sub))[1:] == [
        ("automatic", "declined", "02-10 10:00"),
        ("schedule", "succeeded", "02-15 09:00"),
    ]


async def test_a_running_case_gets_another_policy(stage: Stage) -> None:
    clock = await stage.clock("2026-01-10 10:00")
    sub = await stage.subscribe(clock, card="pm_card_declines_charges_2_to_9")
    await stage.advance(clock, "2026-02-12 10:00")
    policy = replace(DEFAULT_POLICY, retry_offsets_days=(1, 20), grace_days=None, final_action=FinalAction.PAUSE)
    await stage.send(sub, "set_dunning", policy=policy)
    view = await stage.view(sub)
    assert (view.next_due_kind, view.next_due_at) == ("payment_retry", at("2026-03-02 10:00"))
    await stage.advance(clock, "2026-03-03 10:00")
    assert (await stage.view(sub)).status == "paused"

"""A life longer than a run, and one that somebody tries to end from the Temporal UI."""

import asyncio
from datetime import timedelta

from perennial.domain.subscription.commands import When
from perennial.engine import gifts
from perennial.engine.gifts import NewGift
from perennial.temporal.search_attributes import attributes_of
from tests.support.stage import Stage, at, eventually
from tests.workflows.looks import details


async def run_of(stage: Stage, workflow_id: str) -> str:
    return (await stage.handle(workflow_id).describe()).run_id or ""


async def test_a_new_run_has_everything_and_no_renewal_is_missed_around_it(short_runs: Stage) -> None:
    stage = short_runs
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly", timezone="Europe/Berlin")
    runs = {await run_of(stage, sub)}
    for month in range(2, 13):
        await stage.advance(clock, f"2026-{month:02}-15 10:00")
        if month % 3 == 0:
            await stage.send(sub, "change_quantity", quantity=month)
        runs.add(await run_of(stage, sub))
    await stage.send(sub, "pause")
    await stage.send(sub, "resume")
    assert len(runs) > 3, "the test wants several runs"
    bills = await stage.bills(sub)
    renewals = [bill for bill in bills if bill.reason in ("first_period", "renewal")]
    assert [bill.period_no for bill in renewals] == list(range(renewals[0].period_no, renewals[0].period_no + 11))
    assert {bill.status for bill in bills} == {"paid"}
    assert [bill.period_start.month for bill in renewals] == list(range(1, 12))
    await stage.once_each(sub)
    after, state = await stage.handle(sub).describe(), await stage.state(sub)
    kept = list(after.typed_search_attributes)
    assert [pair for pair in attributes_of(state) if pair not in kept] == []
    assert state.quantity == 12
    # A static summary does not pass on to the next run, and the SDK cannot give it one: the details tell what it is.
    assert (await details(stage, sub)).startswith("**active** · Team (per seat) x 12 · USD 150.00 / month")


async def test_a_continued_run_in_the_sandbox_goes_on_where_the_last_one_stopped(stage: Stage) -> None:
    """With the true length of a run."""
    clock = await stage.clock("2024-01-31 10:00")
    sub = await stage.subscribe(clock, "box-weekly")
    first = await run_of(stage, sub)
    await stage.advance(clock, "2025-01-31 09:00")
    assert await run_of(stage, sub) != first, "the test wants another run"
    bills = await stage.bills(sub)
    assert [bill.period_start for bill in bills] == [at("2024-01-31 10:00") + timedelta(weeks=n) for n in range(53)]
    await stage.once_each(sub)


async def test_commands_in_the_moment_of_a_continuation_are_all_carried_out(short_runs: Stage) -> None:
    """Many at once, again and again, so that some arrive while a run is being ended."""
    stage = short_runs
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly")
    first = await run_of(stage, sub)
    for wave in range(4):
        await asyncio.gather(*(stage.send(sub, "change_quantity", quantity=wave * 5 + n) for n in range(2, 7)))
    assert await run_of(stage, sub) != first
    assert (await stage.timeline(sub)).count("plan_changed") == 20
    await stage.advance(clock, "2026-03-01 10:00")
    await stage.once_each(sub)


async def test_a_request_to_cancel_the_workflow_is_ignored(stage: Stage) -> None:
    """At rest, and in the middle of a charge."""
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly", card="pm_card_slow_300")
    await stage.handle(sub).cancel()
    await stage.advance(clock, "2026-03-10 10:00")
    upgrade = asyncio.create_task(stage.send(sub, "change_quantity", quantity=4))

    async def busy() -> bool:
        return (await stage.progress(sub)).busy

    await eventually(busy, pause=0.01)
    await stage.handle(sub).cancel()
    assert (await upgrade).quantity == 4
    await stage.advance(clock, "2026-04-10 10:00")
    reasons = [bill.reason for bill in await stage.bills(sub)]
    assert reasons == ["first_period", "renewal", "plan_change", "renewal"]
    assert {bill.status for bill in await stage.bills(sub)} == {"paid"}
    await stage.once_each(sub)
    assert (await stage.send(sub, "cancel", when=When.NOW)).status == "canceled"
    assert (await asyncio.wait_for(stage.handle(sub).result(), 10))["status"] == "canceled"


async def test_a_gift_ignores_it_too(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    new = NewGift(
        giver_id=await stage.customer(),
        plan="basic-monthly",
        currency="USD",
        periods=3,
        recipient_email="eve@example.com",
        recipient_name="Eve",
        test_clock_id=clock,
    )
    gift = (await gifts.buy(stage.engine, new)).id
    await stage.handle(gift).cancel()
    await stage.advance(clock, "2027-02-10 10:00")
    assert (await gifts.get(stage.engine, gift)).status == "expired"

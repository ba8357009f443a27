"""A new version of a plan moves nobody; a migration moves everybody who may be, and charges what its preview says."""

from typing import Any

import pytest

from perennial.checks import Finding
from perennial.checks.result import EVERYTHING
from perennial.checks.workflows import rows_match_workflows
from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import AddOn
from perennial.domain.errors import Conflict, InvalidInput, NotFound, PlanArchived
from perennial.domain.subscription.commands import When
from perennial.engine import plan_migrations, plans
from perennial.engine.plan_migration_previews import MigrationPreview, preview
from perennial.engine.plan_migrations import Progress
from perennial.engine.plan_moves import NewPlanMigration
from tests.support.stage import Stage, eventually

MONTH = Interval(IntervalUnit.MONTH)


def seats(**prices: str) -> dict[str, Any]:
    return {currency: {"type": "per_unit", "unit_price": price} for currency, price in prices.items()}


async def old_plan(stage: Stage, **fields: Any) -> str:
    support = {"code": "support", "name": "Support", "prices": seats(USD="5.00", EUR="5.00")}
    prices = seats(USD="10.00", EUR="9.00")
    return await stage.plan("moving", **{"interval": MONTH, "prices": prices, "addons": (support,)} | fields)


async def new_version(stage: Stage, code: str, **prices: str) -> None:
    await plans.create_version(
        stage.engine, NewPlanVersion(code=code, name="Moved", interval=MONTH, prices=seats(**prices))
    )


async def migrate(stage: Stage, new: NewPlanMigration) -> Progress:
    """As soon as everybody has been asked."""
    begun = await plan_migrations.create(stage.engine, new)

    async def over() -> Progress | None:
        now = await plan_migrations.get(stage.engine, begun.id)
        return now if now.migration.status != "running" else None

    return await eventually(over)


async def outcomes(stage: Stage, progress: Progress) -> dict[str, str]:
    page = await plan_migrations.items(stage.engine, progress.migration.id, limit=100)
    return {item.subscription_id: item.code or item.status for item in page.items}


async def whole(stage: Stage, new: NewPlanMigration) -> MigrationPreview:
    return await preview(stage.engine, new, limit=100)


async def missing(stage: Stage) -> tuple[Finding, ...]:
    return (await rows_match_workflows(stage.engine, EVERYTHING)).findings


async def versions(stage: Stage, *subscriptions: str) -> list[int]:
    return [(await stage.view(each)).plan_version for each in subscriptions]


async def test_a_new_version_moves_nobody_until_asked(stage: Stage) -> None:
    code = await old_plan(stage)
    clock = await stage.clock("2026-04-01 00:00")
    stays, asks = [await stage.subscribe(clock, code) for _ in range(2)]
    await new_version(stage, code, USD="12.00", EUR="11.00")
    comes = await stage.subscribe(clock, code)
    await stage.send(asks, "change_plan", plan=code, when=When.PERIOD_END)
    await stage.advance(clock, "2026-05-01 00:00")
    assert await versions(stage, stays, asks, comes) == [1, 2, 2]
    assert [await stage.due_amounts(each) for each in (stays, asks, comes)] == [
        [1000, 1000],
        [1000, 1200],
        [1200, 1200],
    ]


async def test_everybody_now_for_what_the_preview_says(stage: Stage) -> None:
    """Half of April is left: 2.00 more a month are 1.00 now; euros fall and are credited; others are left alone."""
    code = await old_plan(stage)
    clock = await stage.clock("2026-04-01 00:00")
    plain = await stage.subscribe(clock, code, quantity=2)
    with_support = await stage.subscribe(clock, code, addons=(AddOn("support", 1),))
    euros = await stage.subscribe(clock, code, currency="EUR")
    paused, leaving, turning, gone = [await stage.subscribe(clock, code) for _ in range(4)]
    await new_version(stage, code, USD="12.00", EUR="8.00")
    await stage.advance(clock, "2026-04-16 00:00")
    await stage.send(paused, "pause")
    await stage.send(leaving, "cancel")
    await stage.send(turning, "change_plan", plan="basic-monthly", when=When.PERIOD_END)
    await stage.send(gone, "cancel", when=When.NOW)

    wanted = NewPlanMigration(plan=code, when=When.NOW)
    told = await whole(stage, wanted)
    told_items = {item.subscription_id: item for item in told.items}
    assert {each: (item.amount_due, item.credit_issued, item.code) for each, item in told_items.items()} == {
        plain: (200, 0, None),
        with_support: (0, 150, None),
        euros: (0, 50, None),
        paused: (None, None, "already_paused"),
        leaving: (None, None, "cancellation_pending"),
        turning: (None, None, "change_pending"),
    }
    assert told_items[with_support].lost_addons == ("support",)
    assert [(each.current_amount, each.new_amount) for each in told.totals] == [(900, 800), (3500, 3600)]
    assert [(each.refused, each.amount_due, each.credit_issued) for each in told.totals] == [(0, 0, 50), (3, 200, 150)]

    done = await migrate(stage, wanted)
    moved = {plain, with_support, euros}
    assert await outcomes(stage, done) == {
        each: "migrated" if each in moved else told_items[each].code for each in told_items
    }
    for each in moved:
        assert (await stage.view(each)).plan_version == 2
        charged = [bill.amount_due for bill in (await stage.bills(each))[1:]]
        assert sum(charged) == told_items[each].amount_due
        assert await stage.credit(each) == told_items[each].credit_issued
    await stage.send(paused, "resume")
    assert await versions(stage, paused, leaving, turning) == [1, 1, 1]
    await stage.once_each(plain)


async def test_everybody_at_the_end_of_the_period(stage: Stage) -> None:
    code = await old_plan(stage)
    clock = await stage.clock("2026-04-01 00:00")
    one = await stage.subscribe(clock, code)
    euros = await stage.subscribe(clock, code, currency="EUR")
    await new_version(stage, code, USD="12.00")
    told = await whole(stage, NewPlanMigration(plan=code))
    assert [(item.next_amount, item.code) for item in told.items if item.subscription_id == one] == [(1200, None)]
    done = await migrate(stage, NewPlanMigration(plan=code))
    assert await outcomes(stage, done) == {one: "scheduled", euros: "unsupported_currency"}
    await stage.advance(clock, "2026-05-01 00:00")
    assert await stage.due_amounts(one) == [1000, 1200]
    after = await plan_migrations.get(stage.engine, done.migration.id)
    assert {status: count for status, count in after.counts.items() if count} == {"migrated": 1, "refused": 1}


async def test_only_those_of_a_version_and_a_currency(stage: Stage) -> None:
    code = await old_plan(stage)
    clock = await stage.clock("2026-04-01 00:00")
    first = await stage.subscribe(clock, code)
    await new_version(stage, code, USD="12.00", EUR="8.00")
    second, euros = await stage.subscribe(clock, code), await stage.subscribe(clock, code, currency="EUR")
    await new_version(stage, code, USD="14.00", EUR="8.00")
    back = NewPlanMigration(plan=code, to_version=1, from_versions=(2,), currency="USD", when=When.NOW)
    assert await outcomes(stage, await migrate(stage, back)) == {second: "migrated"}
    assert await versions(stage, first, second, euros) == [1, 1, 2]


async def test_a_page_that_is_turned_again_changes_nothing(stage: Stage) -> None:
    """Killed after everybody had been moved and before it was written down; one subscription's own run is lost too."""
    code = await old_plan(stage)
    clock = await stage.clock("2026-04-01 00:00")
    one, lost = [await stage.subscribe(clock, code) for _ in range(2)]
    await new_version(stage, code, USD="12.00", EUR="8.00")
    await stage.handle(lost).terminate()
    done = await migrate(stage, NewPlanMigration(plan=code, when=When.NOW))
    before = [await stage.bills(each) for each in (one, lost)]
    assert [len(bills) for bills in before] == [2, 2]
    migration = done.migration.id
    await stage.execute("UPDATE plan_migration_items SET status = 'pending' WHERE migration_id = :id", id=migration)
    await stage.execute("UPDATE plan_migrations SET status = 'running' WHERE id = :id", id=migration)
    assert Finding(migration, "it lives, but no workflow runs for it") in await missing(stage)
    assert await plan_migrations.repair(stage.engine, migration)

    async def over() -> bool:
        return (await plan_migrations.get(stage.engine, migration)).migration.status == "completed"

    await eventually(over)
    assert await outcomes(stage, done) == {one: "migrated", lost: "migrated"}
    assert [await stage.bills(each) for each in (one, lost)] == before
    assert not await plan_migrations.repair(stage.engine, migration)


async def test_an_archived_plan_keeps_its_subscribers_and_takes_no_others(stage: Stage) -> None:
    code = await old_plan(stage)
    clock = await stage.clock("2026-04-01 00:00")
    sub = await stage.subscribe(clock, code)
    await new_version(stage, code, USD="12.00", EUR="8.00")
    await plans.archive(stage.engine, code)
    with pytest.raises(PlanArchived):
        await stage.subscribe(clock, code)
    await stage.send(sub, "change_quantity", quantity=3, when=When.PERIOD_END)
    await stage.advance(clock, "2026-05-01 00:00")
    done = await migrate(stage, NewPlanMigration(plan=code))
    assert await outcomes(stage, done) == {sub: "scheduled"}
    await stage.advance(clock, "2026-06-01 00:00")
    assert await stage.due_amounts(sub) == [1000, 3000, 3600]
    with pytest.raises(Conflict):
        await plan_migrations.cancel(stage.engine, done.migration.id)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"to_version": 3}, "to_version"),
        ({"to_version": 1}, "to_version"),
        ({"from_versions": (2,)}, "from_versions"),
        ({"from_versions": (7,)}, "from_versions"),
        ({"currency": "XXQ"}, "currency"),
    ],
)
async def test_what_makes_no_sense_is_refused(stage: Stage, wrong: dict[str, Any], field: str) -> None:
    code = await old_plan(stage)
    await new_version(stage, code, USD="12.00", EUR="8.00")
    with pytest.raises(InvalidInput) as caught:
        await plan_migrations.create(stage.engine, NewPlanMigration(plan=code, **wrong))
    assert caught.value.field == field


async def test_an_unknown_plan_is_not_found(stage: Stage) -> None:
    with pytest.raises(NotFound):
        await plan_migrations.create(stage.engine, NewPlanMigration(plan="nope"))

"""Many subscriptions at once: moved to the next version of their plan, and looked at for a reset."""

from perennial.db.repositories.catalog import NewPlanVersion
from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.subscription.commands import When
from perennial.engine import plan_migrations, plans
from perennial.engine.plan_moves import NewPlanMigration
from perennial.support import batch_resets
from perennial.support.batch import Meant, found
from tests.replay.scene import Takes
from tests.support.stage import Stage, eventually

MONTH = Interval(IntervalUnit.MONTH)


async def plan_migration(stage: Stage) -> Takes:
    """At once, one moved and one refused."""
    plan = await stage.plan("moving", interval=MONTH, prices={"USD": {"type": "flat", "amount": "10.00"}})
    clock = await stage.clock("2026-04-01 00:00")
    moved, paused = [await stage.subscribe(clock, plan) for _ in range(2)]
    dearer = NewPlanVersion(
        code=plan, name="Moved", interval=MONTH, prices={"USD": {"type": "flat", "amount": "12.00"}}
    )
    await plans.create_version(stage.engine, dearer)
    await stage.advance(clock, "2026-04-16 00:00")
    await stage.send(paused, "pause")
    begun = await plan_migrations.create(stage.engine, NewPlanMigration(plan=plan, when=When.NOW))
    await stage.handle(begun.id).result()
    await stage.advance(clock, "2026-05-02 00:00")
    return {"": stage.handle(begun.id), "subscription": stage.handle(moved)}


async def batch_reset(stage: Stage) -> Takes:
    """Nothing fails in what is found."""
    sub = await stage.subscribe(await stage.clock("2026-04-01 00:00"))
    meant = Meant(query=f"WorkflowId = '{sub}'")
    await eventually(lambda: found(stage.engine, meant))
    begun = await batch_resets.create(stage.engine, meant)
    await stage.handle(begun.batch.id).result()
    return {"": stage.handle(begun.batch.id)}

"""The daily bookkeeping, by its schedule on the real server."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy.orm import Session

from perennial.contracts.workflows import BOOKKEEPING, Kept
from perennial.db.models import IdempotencyKey
from perennial.engine import credits
from perennial.engine.context import Engine
from perennial.engine.credits import NewGrant
from perennial.temporal.schedules import ensure_schedules
from tests.support.stage import Stage, eventually


async def test_credit_expires_months_are_closed_and_old_keys_go(engine: Engine) -> None:
    stage = Stage(engine)
    customer = await stage.customer()
    now = datetime.now(UTC)
    old, young = f"old-{uuid4().hex}", f"young-{uuid4().hex}"

    def write(session: Session) -> None:
        for key, age in ((old, 8), (young, 6)):
            session.add(IdempotencyKey(key=key, fingerprint="f", created_at=now - timedelta(days=age)))

    await engine.write(write)
    soon = now + timedelta(seconds=1)
    await credits.grant(
        engine, NewGrant(customer_id=customer, currency="USD", amount=500, reason="goodwill", expires_at=soon)
    )

    async def over() -> bool:
        return datetime.now(UTC) > soon

    await eventually(over)
    kept = await engine.temporal.execute_workflow(
        BOOKKEEPING, id=f"bookkeeping-{uuid4().hex}", task_queue=engine.settings.task_queue, result_type=Kept
    )
    assert kept.expired_grants >= 1
    rows = await stage.rows("SELECT key FROM idempotency_keys WHERE key IN (:old, :young)", old=old, young=young)
    assert [row.key for row in rows] == [young]
    [balance] = await stage.rows("SELECT balance FROM credit_balances WHERE customer_id = :id", id=customer)
    assert balance.balance == 0


async def test_the_schedule_is_made_once_and_starts_it(engine: Engine) -> None:
    for _ in range(2):
        await ensure_schedules(engine.temporal, engine.settings.task_queue)
    handle = engine.temporal.get_schedule_handle("bookkeeping")
    try:
        await handle.trigger()

        async def ran() -> bool:
            return bool((await handle.describe()).info.recent_actions)

        await eventually(ran)
    finally:
        await handle.delete()

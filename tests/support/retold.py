"""What a story that is told again must leave as it was."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from perennial.domain.subscription import State
from tests.support.stage import Stage, eventually, nothing_due_until


async def facts(stage: Stage, subscription: str) -> dict[str, Any]:
    """Everything that a reset must leave as it was."""
    return {
        "invoices": await stage.bills(subscription),
        "captures": await stage.captures(subscription),
        "postings": await stage.rows(
            "SELECT key, kind, at FROM ledger_transactions WHERE key LIKE :id ORDER BY id", id=f"%:{subscription}:%"
        ),
        "attempts": await stage.rows(
            "SELECT key, status, decline_code, started_at, finished_at FROM payment_attempts WHERE key LIKE :id "
            "ORDER BY id",
            id=f"%:{subscription}:%",
        ),
        "spans": await stage.rows(
            "SELECT starts_at, ends_at, kind, period_no FROM service_spans WHERE subscription_id = :id ORDER BY 1",
            id=subscription,
        ),
        "timeline": await stage.rows(
            "SELECT step, position, at, kind, actor, data FROM timeline_entries WHERE subject_id = :id "
            "ORDER BY step, position",
            id=subscription,
        ),
        "messages": await stage.rows(
            "SELECT key, kind FROM outbox_messages WHERE subscription_id = :id ORDER BY key", id=subscription
        ),
        "credit": await stage.credit(subscription),
    }


def comparable(state: State) -> State:
    """The offset of a test clock and the memory of requests belong to the run, not to the subscription."""
    return replace(state, clock_offset=timedelta(), applied=())


async def caught_up(stage: Stage, subscription: str, clock: str, now: datetime) -> State:
    """A reset run has its own time put back; its clock, asked to go where it stands, takes it along."""
    await stage.advance(clock, now)

    async def at_rest() -> bool:
        return nothing_due_until(await stage.progress(subscription), now)

    await eventually(at_rest)
    return await stage.state(subscription)

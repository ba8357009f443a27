"""Workflows that sleep until one instant: subscriptions in the middle of their lives, and bare ones beside them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import insert
from sqlalchemy.orm import Session

from bench.bare import BARE
from perennial.db.models import Customer, PaymentMethod, Subscription
from perennial.db.repositories import records
from perennial.domain import calendar
from perennial.domain.catalog import PlanTerms
from perennial.domain.subscription import Opening, State, Status, open_subscription
from perennial.engine import plans, runs
from perennial.engine.context import Engine

T = TypeVar("T")

PLAN, CURRENCY = "basic-monthly", "USD"
# Starts under way at the same time. More only wait in the server.
_WIDTH = 24


async def start_ours(engine: Engine, count: int, due: datetime, label: str) -> list[str]:
    """Monthly subscriptions of one customer each, paid by card, whose period ends at `due` (UTC, a whole second)."""
    states = await write_rows(engine, PLAN, count, due, label)
    engine.db.dispose()  # sessions that have ended have reported their transactions
    await _each(states, lambda state: runs.start(engine, state))
    return [state.id for state in states]


async def write_rows(engine: Engine, plan: str, count: int, due: datetime, label: str) -> list[State]:
    """The same in the database alone: no workflow runs."""
    terms = await engine.read(lambda session: plans.require_terms(session, plan, CURRENCY))
    states = [_state(terms, f"{label}_{number}", due) for number in range(count)]
    await engine.write(lambda session: _insert(engine, session, states))
    return states


def _state(terms: PlanTerms, name: str, due: datetime) -> State:
    """As it stands in the middle of its first period. The boundary is the anchor: the periods count from there."""
    period = calendar.period(calendar.to_wall(due, "UTC"), terms.interval, "UTC", -1)
    opened = open_subscription(
        Opening(
            id=f"sub_{name}",
            customer_id=f"cus_{name}",
            terms=terms,
            quantity=1,
            timezone="UTC",
            start=period.start,
            payment_method_id=f"pm_{name}",
        )
    )
    return replace(
        opened,
        status=Status.ACTIVE,
        anchor=calendar.to_wall(due, "UTC"),
        index=-1,
        period=period,
        span=replace(opened.span, end=period.end),
        incomplete_until=None,
        step=1,
    )


def _insert(engine: Engine, session: Session, states: list[State]) -> None:
    now = datetime.now(UTC)
    session.execute(
        insert(Customer),
        [
            {"id": state.customer_id, "name": "Bench", "email": "bench@example.com", "timezone": "UTC"}
            | {"created_at": now}
            for state in states
        ],
    )
    session.execute(
        insert(PaymentMethod),
        [
            {"id": state.payment_method_id, "customer_id": state.customer_id, "gateway": engine.gateway.name}
            | {"token": "pm_card_visa", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2034}
            | {"is_default": True, "created_at": now}
            for state in states
        ],
    )
    session.execute(insert(Subscription), [records.subscription_row(state) for state in states])


async def start_bare(engine: Engine, count: int, due: datetime, label: str) -> list[str]:
    """The ceiling's workflows, started in the same way."""
    ids = [f"bare_{label}_{number}" for number in range(count)]

    async def start(workflow_id: str) -> None:
        await engine.temporal.start_workflow(BARE, due, id=workflow_id, task_queue=engine.settings.task_queue)

    await _each(ids, start)
    return ids


async def _each(things: list[T], start: Callable[[T], Awaitable[None]]) -> None:
    width = asyncio.Semaphore(_WIDTH)

    async def one(thing: T) -> None:
        async with width:
            await start(thing)

    await asyncio.gather(*(one(thing) for thing in things))

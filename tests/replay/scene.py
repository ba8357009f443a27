"""What the lives share: the props of the stage."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from temporalio.client import WorkflowHandle

from perennial.domain.coupons import CouponTerms
from perennial.domain.drafts import DraftLine
from perennial.domain.errors import Conflict
from perennial.engine import coupons, drafts, gifts, one_off
from perennial.engine.drafts import NewDraft
from perennial.engine.gifts import NewGift
from perennial.gateways.simulator.gateway import SimulatorGateway
from tests.support.stage import Stage

# The workflows to be recorded. The key is what is added to the name of the life: "" is the life itself.
Takes = dict[str, WorkflowHandle[Any, Any]]
Life = Callable[[Stage], Awaitable[Takes]]


async def this_run(stage: Stage, workflow_id: str) -> WorkflowHandle[Any, Any]:
    described = await stage.handle(workflow_id).describe()
    return stage.engine.temporal.get_workflow_handle(workflow_id, run_id=described.run_id)


async def coupon(stage: Stage, code: str, percent: int, periods: int | None) -> str:
    """Another recording into the same database finds it."""
    with suppress(Conflict):
        terms = CouponTerms(code=code, percent_off=Decimal(percent), duration_periods=periods)
        await coupons.create(stage.engine, terms)
    return code


async def buy_gift(stage: Stage, clock: str, giver: str, deliver_at: datetime | None = None) -> str:
    bought = await gifts.buy(
        stage.engine,
        NewGift(
            giver_id=giver,
            plan="standard-monthly",
            currency="USD",
            periods=2,
            recipient_email="eve@example.com",
            recipient_name="Eve",
            deliver_at=deliver_at,
            test_clock_id=clock,
        ),
    )
    return bought.id


async def one_off_invoice(stage: Stage, clock: str, customer: str, **terms: Any) -> str:
    line = DraftLine(description="Workshop", amount=30_000)
    new = NewDraft(customer_id=customer, currency="USD", lines=(line,), test_clock_id=clock, **terms)
    made = await drafts.create(stage.engine, new)
    await one_off.finalise(stage.engine, made.id)
    return made.id


async def authenticate(stage: Stage, subject: str, *, success: bool = True) -> None:
    """The customer passes 3-D Secure at the bank, or fails; nobody has told us yet."""
    [(reference,)] = await stage.rows(
        "SELECT gateway_ref FROM payment_attempts WHERE key LIKE :key AND status = 'requires_action'",
        key=f"charge:invoice:{subject}:%",
    )
    gateway = stage.engine.gateway
    assert isinstance(gateway, SimulatorGateway)
    await asyncio.to_thread(gateway.authenticate, reference, success=success)

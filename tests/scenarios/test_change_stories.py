"""Changes of plan and quantity, coupons and skipped periods: what is charged, to the minor unit, as previewed."""

from decimal import Decimal
from typing import Any

import pytest

from perennial.domain.proration import ProrationBasis
from perennial.domain.subscription.commands import Command, RefundPolicy, When
from perennial.engine import plans, previews
from perennial.engine.subscriptions import NewSubscription
from tests.support.stage import COMMANDS, Stage


async def _month(stage: Stage, plan: str = "standard-monthly", **more: Any) -> tuple[str, str]:
    """From 1 April, now at noon of 11 April: nineteen and a half days of thirty are left."""
    clock = await stage.clock("2026-04-01 00:00")
    sub = await stage.subscribe(clock, plan, **more)
    await stage.advance(clock, "2026-04-11 12:00")
    return sub, clock


async def _preview(stage: Stage, sub: str, name: str, **fields: Any) -> previews.Preview:
    plan = fields.pop("plan", None)
    if plan:
        fields["terms"] = await plans.terms(stage.engine, plan, "USD")

    def make(_session: object, _row: object, at: object) -> Command:
        return COMMANDS[name](request_id="preview", at=at, **fields)  # type: ignore[call-arg, arg-type]

    return await previews.preview_change(stage.engine, sub, make)


CHANGES = [
    ("change_plan", {"plan": "premium-monthly"}),
    ("change_plan", {"plan": "basic-monthly"}),
    ("change_plan", {"plan": "standard-yearly"}),
    ("change_plan", {"plan": "box-weekly"}),
    ("change_plan", {"plan": "premium-monthly", "proration": ProrationBasis.DAY}),
    ("change_plan", {"plan": "premium-monthly", "proration": ProrationBasis.STRICT_30_360}),
    ("change_plan", {"plan": "premium-monthly", "proration": ProrationBasis.NONE}),
    ("change_plan", {"plan": "team-monthly", "quantity": 7}),
    ("cancel", {"when": When.NOW, "refund": RefundPolicy.PRORATED}),
    ("cancel", {"when": When.NOW, "refund": RefundPolicy.FULL}),
]


@pytest.mark.parametrize(("name", "fields"), CHANGES)
async def test_a_preview_is_what_is_then_charged(stage: Stage, name: str, fields: dict[str, Any]) -> None:
    sub, clock = await _month(stage)
    before, credit = await stage.bills(sub), await stage.credit(sub)
    preview = await _preview(stage, sub, name, **fields)
    assert await stage.bills(sub) == before, "a preview has no effect"
    view = await stage.send(sub, name, **fields)
    new = (await stage.bills(sub))[len(before) :]
    assert sum(bill.amount_due for bill in new) == preview.amount_due
    assert sum(bill.total for bill in new) == preview.total
    notes = await stage.rows("SELECT total FROM credit_notes WHERE subscription_id = :id", id=sub)
    assert sum(note.total for note in notes) == preview.credit_issued
    assert view.period_end == preview.view.period_end
    if name == "change_plan":
        assert await stage.credit(sub) - credit == preview.credit_issued
    if preview.next_invoice_at:
        await stage.advance(clock, preview.next_invoice_at)
        following = (await stage.bills(sub))[-1]
        assert (following.period_start, following.total) == (preview.next_invoice_at, preview.next_amount)
    await stage.once_each(sub)


async def test_a_new_subscription_costs_what_its_preview_said(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 00:00")
    coupon = await stage.coupon(percent_off=Decimal("33.3"), duration_periods=1)
    new = NewSubscription(
        customer_id=await stage.customer(),
        plan="team-monthly",
        currency="USD",
        quantity=3,
        coupons=(coupon,),
        test_clock_id=clock,
    )
    preview = await previews.preview_new(stage.engine, new)
    sub = await stage.subscribe(clock, "team-monthly", quantity=3, coupons=(coupon,))
    assert await stage.due_amounts(sub) == [preview.amount_due] == [2501]
    await stage.advance(clock, "2026-05-01 00:00")
    assert (await stage.due_amounts(sub))[1] == preview.next_amount == 3750


async def test_an_upgrade_now_is_charged_at_once(stage: Stage) -> None:
    """19.00 to 49.00 with 19.5 of 30 days left: 31.85 less 12.35."""
    sub, clock = await _month(stage)
    await stage.send(sub, "change_plan", plan="premium-monthly")
    assert await stage.due_amounts(sub) == [1900, 3185 - 1235]
    await stage.advance(clock, "2026-05-01 00:00")
    assert await stage.due_amounts(sub) == [1900, 1950, 4900]


async def test_a_downgrade_now_is_credit_that_the_next_bill_uses(stage: Stage) -> None:
    """19.00 to 9.00 with 19.5 of 30 days left: 12.35 less 5.85 of credit."""
    sub, clock = await _month(stage)
    await stage.send(sub, "change_plan", plan="basic-monthly")
    assert await stage.credit(sub) == 650
    await stage.advance(clock, "2026-05-01 00:00")
    assert await stage.due_amounts(sub) == [1900, 900 - 650]
    assert await stage.credit(sub) == 0
    await stage.once_each(sub)


async def test_a_change_at_period_end_is_billed_with_the_renewal(stage: Stage) -> None:
    sub, clock = await _month(stage)
    view = await stage.send(sub, "change_plan", plan="standard-yearly", when="period_end")
    assert (view.plan, view.scheduled_plan) == ("standard-monthly", "standard-yearly")
    await stage.advance(clock, "2026-05-01 00:00")
    view = await stage.view(sub)
    assert (view.plan, view.period_end.isoformat()) == ("standard-yearly", "2027-05-01T00:00:00+00:00")
    assert await stage.due_amounts(sub) == [1900, 19_000]


async def test_an_upgrade_that_the_card_declines_is_dunned(stage: Stage) -> None:
    sub, clock = await _month(stage, card="pm_card_declines_charges_2_to_2")
    view = await stage.send(sub, "change_plan", plan="premium-monthly")
    assert (view.status, view.plan) == ("past_due", "premium-monthly")
    await stage.advance(clock, "2026-04-12 12:00")
    assert (await stage.view(sub)).status == "active"
    await stage.once_each(sub)


async def test_a_coupon_runs_out_after_its_periods(stage: Stage) -> None:
    sub, clock = await _month(stage)
    code = await stage.coupon(percent_off=Decimal(50), duration_periods=2)
    assert (await stage.send(sub, "apply_coupon", coupon=code)).coupons == (code,)
    await stage.advance(clock, "2026-07-15 00:00")
    assert await stage.due_amounts(sub) == [1900, 950, 950, 1900]


async def test_a_skipped_period_costs_nothing(stage: Stage) -> None:
    sub, clock = await _month(stage)
    await stage.send(sub, "skip_next")
    await stage.advance(clock, "2026-06-15 00:00")
    bills = await stage.bills(sub)
    assert [f"{bill.period_start:%m-%d}" for bill in bills] == ["04-01", "06-01"]
    kinds = await stage.rows("SELECT kind FROM service_spans WHERE subscription_id = :id ORDER BY starts_at", id=sub)
    assert [row.kind for row in kinds] == ["paid", "skipped", "paid"]


async def test_a_free_first_period_is_settled_without_a_charge(stage: Stage) -> None:
    clock = await stage.clock("2026-04-01 00:00")
    code = await stage.coupon(percent_off=Decimal(100), duration_periods=1)
    sub = await stage.subscribe(clock, coupons=(code,))
    assert (await stage.view(sub)).status == "active"
    await stage.advance(clock, "2026-05-01 00:00")
    assert await stage.due_amounts(sub) == [0, 900]
    assert len(await stage.captures(sub)) == 1
    await stage.once_each(sub)

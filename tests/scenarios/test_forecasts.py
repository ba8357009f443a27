"""What if: the invoices that are foreseen are the ones that are charged."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from perennial.domain.errors import CommandRefused, InvalidInput
from perennial.domain.subscription import commands as c
from perennial.engine import credits, previews
from perennial.engine.credits import NewGrant
from perennial.engine.forecasts import Forecast, Make, forecast
from tests.support.stage import Stage


def sent(kind: type[c.Command], **fields: Any) -> Make:
    return lambda _session, _row, at: kind(request_id="what_if", at=at, **fields)


def foreseen(found: Forecast, count: int) -> list[tuple[datetime, int, int, int]]:
    return [(each.at, each.total, each.credit_applied, each.amount_due) for each in found.invoices[:count]]


async def charged(stage: Stage, sub: str, after: int) -> list[tuple[datetime, int, int, int]]:
    bills = (await stage.bills(sub))[after:]
    return [(bill.issued_at, bill.total, bill.credit_applied, bill.amount_due) for bill in bills]


async def test_three_invoices_with_a_coupon_and_credit_are_lived(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    coupon = await stage.coupon(percent_off=Decimal(50), duration_periods=2)
    sub = await stage.subscribe(clock, "team-monthly", quantity=3)
    await credits.grant(stage.engine, NewGrant(customer_id=stage.owners[sub], amount=2000, currency="USD", reason="x"))
    await stage.send(sub, "apply_coupon", coupon=coupon)
    preview = await previews.preview_change(stage.engine, sub, sent(c.SetPaymentMethod, payment_method_id="pm_1"))
    found = await forecast(stage.engine, sub)
    assert len(found.invoices) == 12
    assert (found.invoices[0].at, found.invoices[0].total) == (preview.next_invoice_at, preview.next_amount)
    await stage.advance(clock, "2026-04-30 10:00")
    assert foreseen(found, 3) == await charged(stage, sub, 1)
    assert [credit for _, _, credit, _ in foreseen(found, 3)] == [1875, 125, 0]


async def test_a_change_is_charged_as_foreseen(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly", quantity=2)
    await stage.advance(clock, "2026-02-10 10:00")
    change = sent(c.ChangeQuantity, quantity=5)
    preview = await previews.preview_change(stage.engine, sub, change)
    found = await forecast(stage.engine, sub, [change], count=3)
    first = found.invoices[0]
    assert (first.total, first.tax, first.amount_due) == (preview.total, preview.tax, preview.amount_due)
    assert found.view.quantity == 5
    assert (await stage.view(sub)).quantity == 2, "nothing is done"
    await stage.send(sub, "change_quantity", quantity=5)
    await stage.advance(clock, "2026-03-31 10:00")
    assert foreseen(found, 3) == await charged(stage, sub, 1)


async def test_a_cancellation_ends_the_list(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    found = await forecast(stage.engine, sub, [sent(c.Cancel)])
    assert found.invoices == ()
    assert "it ends on 2026-02-28 (requested)" in found.notes
    await stage.send(sub, "park")
    assert "it is parked: nothing is billed until it is unparked" in (await forecast(stage.engine, sub)).notes
    with pytest.raises(CommandRefused):
        await forecast(stage.engine, sub, [sent(c.Cancel)])
    assert len((await forecast(stage.engine, sub, [sent(c.Unpark)])).invoices) == 12
    with pytest.raises(InvalidInput):
        await forecast(stage.engine, sub, count=61)

"""Invoices that are sent, taken back, written off, paid past the gateways, corrected; fees and add-ons on them."""

from decimal import Decimal

import pytest

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.catalog import AddOn, RefundPolicy
from perennial.domain.errors import CommandRefused, InvalidInput
from perennial.domain.subscription.commands import When
from tests.support.stage import Stage, at

MONTH = Interval(IntervalUnit.MONTH)
SUPPORT, STORAGE = AddOn("priority-support", 1), AddOn("storage", 2)


async def lines(stage: Stage, sub: str) -> list[tuple[str, str, int]]:
    rows = await stage.rows(
        "SELECT l.kind, l.code, l.net FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id "
        "WHERE i.subscription_id = :id ORDER BY i.issued_at, i.number, l.position",
        id=sub,
    )
    return [tuple(row) for row in rows]


async def balances(stage: Stage, customer: str) -> dict[str, int]:
    rows = await stage.rows(
        "SELECT e.account, sum(e.amount) AS sum FROM ledger_entries e "
        "JOIN ledger_transactions t ON t.id = e.transaction_id "
        "WHERE t.subject_id IN (SELECT id FROM invoices WHERE customer_id = :id UNION ALL "
        "SELECT id FROM credit_notes WHERE customer_id = :id) GROUP BY e.account HAVING sum(e.amount) <> 0",
        id=customer,
    )
    return {row.account: int(row.sum) for row in rows}


async def test_add_ons_are_prorated_when_they_come_and_go(stage: Stage) -> None:
    """January has 31 days; on the 16th at 10:00 half of the period from the 1st to the 1st, 22:00, is left."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, "team-monthly", quantity=2, addons=(SUPPORT,))
    await stage.advance(clock, "2026-02-15 00:00")
    await stage.send(sub, "change_addons", addons=(SUPPORT, STORAGE))
    assert await lines(stage, sub) == [
        ("plan", "team-monthly", 2500),
        ("add_on", "priority-support", 2000),
        ("proration_credit", "team-monthly", -1250),
        ("proration_credit", "priority-support", -1000),
        ("proration_debit", "team-monthly", 1250),
        ("proration_debit", "priority-support", 1000),
        ("proration_debit", "storage", 500),
    ]
    await stage.send(sub, "change_addons", addons=(), when=When.PERIOD_END)
    view = await stage.view(sub)
    assert (view.addons, view.scheduled_addons) == ((SUPPORT, STORAGE), ())
    await stage.advance(clock, "2026-03-01 00:00")
    assert [bill.total for bill in await stage.bills(sub)] == [4500, 500, 2500]
    await stage.once_each(sub)


async def test_an_unknown_add_on_and_one_too_many_are_refused(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 00:00")
    with pytest.raises(InvalidInput) as caught:
        await stage.subscribe(clock, "team-monthly", addons=(AddOn("gold", 1),))
    assert caught.value.field == "addons"
    sub = await stage.subscribe(clock, "team-monthly")
    with pytest.raises(CommandRefused) as refused:
        await stage.send(sub, "change_addons", addons=(STORAGE, STORAGE))
    assert refused.value.code == "invalid_quantity"


async def test_a_change_of_plan_keeps_the_add_ons_that_the_new_plan_has(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, "team-monthly", addons=(SUPPORT,))
    await stage.send(sub, "change_plan", plan="premium-monthly")
    assert (await stage.view(sub)).addons == ()


async def test_fees_come_once_and_coupons_leave_them_alone(stage: Stage) -> None:
    plan = await stage.plan(
        "with-fee",
        interval=MONTH,
        prices={"USD": {"type": "flat", "amount": "20.00"}},
        fees=({"code": "setup", "name": "Setup", "amounts": {"USD": "49.00"}},),
    )
    coupon = await stage.coupon(percent_off=Decimal(50))
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, plan, coupons=(coupon,))
    await stage.advance(clock, "2026-03-01 00:00")
    assert await lines(stage, sub) == [("plan", plan, 1000), ("fee", "setup", 4900), ("plan", plan, 1000)]
    stated = await stage.rows("SELECT discounts FROM invoices WHERE subscription_id = :id", id=sub)
    assert stated[0].discounts == [{"coupon": coupon, "amount": 1000, "unused": 0}]


async def test_what_is_left_of_an_amount_is_stated(stage: Stage) -> None:
    coupon = await stage.coupon(amount_off=1200, currency="USD")
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, coupons=(coupon,))
    [bill] = await stage.bills(sub)
    assert (bill.total, bill.status) == (0, "paid")
    [row] = await stage.rows("SELECT discounts FROM invoices WHERE subscription_id = :id", id=sub)
    assert row.discounts == [{"coupon": coupon, "amount": 900, "unused": 300}]


async def test_an_invoice_that_is_sent_has_time(stage: Stage) -> None:
    """Served from the first day, overdue after fourteen, past due until the transfer comes."""
    clock = await stage.clock("2026-02-01 10:00")
    sub = await stage.subscribe(clock, card=None, net_days=14)
    view = await stage.view(sub)
    assert (view.status, view.access, view.next_due_kind) == ("active", True, "payment_overdue")
    [row] = await stage.rows("SELECT key, status, due_at FROM invoices WHERE subscription_id = :id", id=sub)
    assert (row.status, row.due_at) == ("open", at("2026-02-15 10:00"))
    await stage.advance(clock, "2026-02-16 10:00")
    assert (await stage.view(sub)).status == "past_due"
    assert "payment_overdue" in await stage.messages(sub)
    await stage.send(sub, "record_payment", invoice=row.key, reference="BANK 7")
    assert (await stage.view(sub)).status == "active"
    [attempt] = await stage.rows(
        "SELECT p.gateway, p.gateway_ref, p.status FROM payment_attempts p JOIN invoices i ON i.id = p.invoice_id "
        "WHERE i.subscription_id = :id",
        id=sub,
    )
    assert tuple(attempt) == ("outside", "BANK 7", "succeeded")
    assert await balances(stage, stage.owners[sub]) == {"cash:outside": 900, "deferred_revenue": -900}


async def test_sent_invoices_pile_up_and_are_paid_in_any_order(stage: Stage) -> None:
    clock = await stage.clock("2026-02-02 10:00")
    sub = await stage.subscribe(clock, "box-weekly", card=None, net_days=30)
    await stage.advance(clock, "2026-02-17 10:00")
    first, second, third = [bill.key for bill in await stage.bills(sub)]
    assert (await stage.view(sub)).status == "active"
    await stage.send(sub, "record_payment", invoice=second, reference="BANK 2")
    await stage.advance(clock, "2026-03-05 10:00")
    assert (await stage.view(sub)).status == "past_due"
    await stage.send(sub, "record_payment", invoice=first, reference="BANK 1")
    view = await stage.view(sub)
    assert (view.status, view.next_due_kind) == ("active", "renewal")
    await stage.advance(clock, "2026-03-19 10:00")
    assert (await stage.view(sub)).status == "past_due"
    statuses = {bill.key: bill.status for bill in await stage.bills(sub)}
    assert (statuses[first], statuses[second], statuses[third]) == ("paid", "paid", "open")


async def test_whoever_cancels_still_owes_what_was_sent(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 10:00")
    sub = await stage.subscribe(clock, card=None, net_days=14)
    await stage.send(sub, "cancel", when=When.NOW)
    [bill] = await stage.bills(sub)
    assert ((await stage.view(sub)).status, bill.status) == ("canceled", "open")
    await stage.send(sub, "record_payment", invoice=bill.key, reference="BANK 3")
    assert [each.status for each in await stage.bills(sub)] == ["paid"]
    assert (await stage.view(sub)).status == "canceled"


@pytest.mark.parametrize(
    ("write_off", "status", "accounts"),
    [(False, "void", {}), (True, "uncollectible", {"bad_debt": 900, "deferred_revenue": -900})],
)
async def test_an_open_invoice_is_taken_back_or_written_off(
    stage: Stage, *, write_off: bool, status: str, accounts: dict[str, int]
) -> None:
    clock = await stage.clock("2026-02-01 10:00")
    sub = await stage.subscribe(clock, card=None, net_days=14)
    [bill] = await stage.bills(sub)
    await stage.send(sub, "give_up_invoice", invoice=bill.key, write_off=write_off)
    [bill] = await stage.bills(sub)
    assert (bill.status, (await stage.view(sub)).status) == (status, "active")
    assert await balances(stage, stage.owners[sub]) == accounts
    with pytest.raises(CommandRefused) as refused:
        await stage.send(sub, "record_payment", invoice=bill.key, reference="BANK 9")
    assert refused.value.code == "invoice_not_open"


async def test_what_was_credited_by_hand_is_not_given_back_again(stage: Stage) -> None:
    """A third by hand, then the end with the unused half of what is left of the period: never more than was paid."""
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock)
    [bill] = await stage.bills(sub)
    await stage.send(sub, "credit_invoice", invoice=bill.key, amount=600, recurring=600, refund=True)
    await stage.advance(clock, "2026-02-15 00:00")
    await stage.send(sub, "cancel", when=When.NOW, refund=RefundPolicy.PRORATED)
    notes = await stage.rows(
        "SELECT total, refunded FROM credit_notes WHERE subscription_id = :id ORDER BY issued_at", id=sub
    )
    assert [tuple(note) for note in notes] == [(600, 600), (300, 300)]
    [capture] = await stage.captures(sub)
    assert (capture.amount, capture.refunded) == (900, 900)


async def test_who_pays_by_invoice_may_change_at_the_end_of_the_period(stage: Stage) -> None:
    clock = await stage.clock("2026-02-01 10:00")
    sub = await stage.subscribe(clock, "team-monthly", card=None, net_days=14)
    await stage.send(sub, "change_quantity", quantity=3, when=When.PERIOD_END)
    with pytest.raises(CommandRefused) as refused:
        await stage.send(sub, "change_quantity", quantity=5)
    assert refused.value.code == "payment_overdue"
    await stage.advance(clock, "2026-02-16 10:00")
    with pytest.raises(CommandRefused):
        await stage.send(sub, "change_quantity", quantity=4, when=When.PERIOD_END)


async def test_a_cancellation_gives_back_what_the_plan_says_and_where_it_says(stage: Stage) -> None:
    plan = await stage.plan(
        "generous",
        interval=MONTH,
        prices={"USD": {"type": "flat", "amount": "28.00"}},
        cancel_refund=RefundPolicy.PRORATED,
        refund_to_credit=True,
    )
    clock = await stage.clock("2026-02-01 00:00")
    sub = await stage.subscribe(clock, plan)
    await stage.advance(clock, "2026-02-15 00:00")
    await stage.send(sub, "cancel", when=When.NOW)
    [note] = await stage.rows("SELECT total, refunded, credited FROM credit_notes WHERE subscription_id = :id", id=sub)
    assert tuple(note) == (1400, 0, 1400)

"""A signal means what the update of the same name means: two subscriptions are asked the same, each in its way."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from perennial.contracts.views import SubscriptionView
from perennial.domain.catalog import AddOn
from perennial.domain.coupons import CouponTerms
from perennial.domain.disputes import DisputeStatus
from perennial.domain.dunning import DEFAULT_POLICY
from perennial.domain.errors import Conflict
from perennial.domain.subscription import commands as c
from perennial.engine import coupons
from perennial.gateways.simulator.gateway import SimulatorGateway
from tests.support.stage import COMMANDS, Stage, at, eventually

START, NOW, LATER = "2026-01-31 10:00", "2026-02-10 10:00", "2026-04-10 10:00"


@dataclass(frozen=True)
class Case:
    """`before` is done to each of the two by updates; `fields` may depend on the subscription."""

    says: str
    fields: dict[str, Any] = field(default_factory=dict)
    before: tuple[str, dict[str, Any]] | None = None
    opening: dict[str, Any] = field(default_factory=dict)
    own: Callable[[Stage, str], Awaitable[dict[str, Any]]] | None = None


async def another_card(stage: Stage, sub: str) -> dict[str, Any]:
    return {"payment_method_id": await stage.card(stage.owners[sub], "pm_card_mastercard")}


async def the_coupon(stage: Stage, sub: str) -> dict[str, Any]:
    with contextlib.suppress(Conflict):
        await coupons.create(stage.engine, CouponTerms(code="HALF", percent_off=Decimal(50)))
    return {}


async def its_invoice(stage: Stage, sub: str) -> dict[str, Any]:
    return {"invoice": (await stage.bills(sub))[-1].key}


async def authenticated(stage: Stage, sub: str) -> dict[str, Any]:
    """The customer has been to the bank."""
    [(invoice, reference)] = await stage.rows(
        "SELECT i.key, p.gateway_ref FROM invoices i JOIN simulator.payments p ON p.key LIKE 'charge%' || i.key || '%' "
        "WHERE i.subscription_id = :id",
        id=sub,
    )
    gateway = stage.engine.gateway
    assert isinstance(gateway, SimulatorGateway)
    await asyncio.to_thread(gateway.authenticate, reference, success=True)
    return {"invoice": invoice, "attempt": 1}


CASES: dict[str, Case] = {
    "pause": Case("paused", {"until": at("2026-03-20 10:00")}),
    "resume": Case("resumed", before=("pause", {})),
    "change_plan": Case("plan_changed", {"plan": "standard-monthly"}),
    "change_quantity": Case("plan_changed", {"quantity": 3}),
    "cancel": Case("canceled", {"when": c.When.NOW, "refund": c.RefundPolicy.PRORATED}),
    "undo_cancel": Case("cancellation_undone", before=("cancel", {})),
    "apply_coupon": Case("coupon_applied", {"discount": c.Discount("HALF", percent=Decimal(50))}, own=the_coupon),
    "set_payment_method": Case("payment_method_set", own=another_card),
    "extend_trial": Case("trial_extended", {"until": at("2026-03-01 10:00")}, opening={"trial_days": 20}),
    "retry_payment": Case("payment_retried", opening={"card": "pm_card_chargeDeclined"}),
    "gift": Case("gift_added", {"gift_id": "gift_x", "periods": 1}),
    "skip_next": Case("skip_scheduled"),
    "change_addons": Case("plan_changed", {"addons": (AddOn("storage", 2),)}),
    "give_up_invoice": Case("invoice_void", opening={"card": "pm_card_chargeDeclined"}, own=its_invoice),
    "record_payment": Case(
        "payment_recorded", {"reference": "BANK 1"}, opening={"card": "pm_card_chargeDeclined"}, own=its_invoice
    ),
    "set_dunning": Case("dunning_policy_set", {"policy": replace(DEFAULT_POLICY, retry_hour=9)}),
    "credit_invoice": Case("invoice_credited", {"amount": 100}, own=its_invoice),
    "payment_event": Case("payment_event", opening={"card": "pm_card_threeDSecureOnce"}, own=authenticated),
    "dispute_event": Case("frozen", {"dispute": "dp_1", "status": DisputeStatus.OPEN}, own=its_invoice),
    "park": Case("parked"),
    "unpark": Case("unparked", before=("park", {})),
    # A live subscription cannot be reactivated: an update hears it, of the signal the timeline tells.
    "reactivate": Case("refused"),
}


def test_every_command_has_its_case() -> None:
    assert set(CASES) == set(COMMANDS)


async def told(stage: Stage, sub: str) -> dict[str, Any]:
    """What can be compared of two lives."""
    view: SubscriptionView = await stage.view(sub)
    return {
        "view": replace(view, id="", customer_id="", payment_method_id=None),
        "timeline": await stage.timeline(sub),
        "bills": [replace(bill, key=bill.reason) for bill in await stage.bills(sub)],
        "captured": [(capture.amount, capture.refunded) for capture in await stage.captures(sub)],
        "credit": await stage.credit(sub),
        "messages": await stage.messages(sub),
    }


@pytest.mark.parametrize("name", [name for name in CASES if name != "reactivate"])
async def test_a_signal_does_what_the_update_does(name: str, stage: Stage) -> None:
    case = CASES[name]
    incomplete = "card" in case.opening
    clock = await stage.clock(START)
    asked, signaled = [await stage.subscribe(clock, "team-monthly", **case.opening) for _ in range(2)]
    now = at(START) if incomplete else await stage.advance(clock, NOW)
    for sub in (asked, signaled):
        if case.before:
            await stage.send(sub, case.before[0], **case.before[1])
    asked_fields, signaled_fields = [
        case.fields | (await case.own(stage, sub) if case.own else {}) for sub in (asked, signaled)
    ]
    await stage.send(asked, name, **asked_fields)
    await stage.signal(signaled, name, now, **signaled_fields)

    async def as_far() -> bool:
        return case.says in await stage.timeline(signaled) and await told(stage, asked) == await told(stage, signaled)

    await eventually(as_far)
    assert case.says in await stage.timeline(asked)
    await stage.advance(clock, LATER)
    assert await told(stage, signaled) == await told(stage, asked)


async def test_a_refused_signal_is_told_in_the_timeline_and_the_life_goes_on(stage: Stage) -> None:
    clock = await stage.clock(START)
    sub = await stage.subscribe(clock)
    now = await stage.advance(clock, NOW)
    await stage.signal(sub, "reactivate", now)

    async def refused() -> bool:
        return "refused" in await stage.timeline(sub)

    await eventually(refused)
    await stage.advance(clock, LATER)
    assert len(await stage.bills(sub)) == 3


async def test_a_signal_typed_by_hand_needs_neither_a_request_id_nor_an_instant(stage: Stage) -> None:
    """As the Temporal UI sends it: plain JSON; the same words again are another wish."""
    clock = await stage.clock(START)
    sub = await stage.subscribe(clock)
    await stage.advance(clock, NOW)
    for name, says in (("pause", "paused"), ("resume", "resumed"), ("pause", "paused")):
        before = (await stage.timeline(sub)).count(says)
        await stage.handle(sub).signal(name, {"actor": "operator"})

        async def done(says: str = says, before: int = before) -> bool:
            return (await stage.timeline(sub)).count(says) == before + 1

        await eventually(done)
    assert (await stage.view(sub)).status == "paused"


async def test_the_signal_and_the_update_of_one_request_are_one(stage: Stage) -> None:
    clock = await stage.clock(START)
    sub = await stage.subscribe(clock, "team-monthly")
    now = await stage.advance(clock, NOW)
    await stage.signal(sub, "change_quantity", now, request_id="req_a", quantity=3)
    view = await stage.send(sub, "change_quantity", request_id="req_a", quantity=3)
    assert view.quantity == 3
    assert (await stage.timeline(sub)).count("plan_changed") == 1

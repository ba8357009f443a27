"""Policies as rows: whose policy a case goes by, what a new version changes, and what becomes of cases that run."""

from uuid import uuid4

import pytest

from perennial.domain.calendar import Interval, IntervalUnit
from perennial.domain.dunning import CaseMessage, DunningPolicy, FinalAction, HardDecline, Notice
from perennial.domain.errors import InvalidInput, InvalidPolicy, NotFound
from perennial.engine import customers, dunning, subscriptions
from perennial.engine.subscriptions import NewSubscription
from tests.support.stage import Stage, at

DEAD = "pm_card_declines_charges_2_to_99"
PRICES = {"USD": {"type": "flat", "amount": "10.00"}}
MONTH = Interval(IntervalUnit.MONTH)


def policy(*offsets: int, final: FinalAction = FinalAction.CANCEL, **more: object) -> DunningPolicy:
    return DunningPolicy(offsets, None, final, HardDecline.STOP, **more)  # type: ignore[arg-type]


async def made(stage: Stage, wanted: DunningPolicy, code: str | None = None) -> str:
    """A policy of this test alone, or its next version."""
    code = code or f"policy-{uuid4().hex[:8]}"
    await dunning.create_version(stage.engine, code, wanted)
    return code


async def subscribed(stage: Stage, clock: str, plan: str, group: str | None = None, token: str = DEAD) -> str:
    ada = await customers.create(stage.engine, name="Ada", email="ada@example.com", customer_group=group)
    await stage.card(ada.id, token)
    new = NewSubscription(customer_id=ada.id, plan=plan, currency="USD", test_clock_id=clock)
    sub = (await subscriptions.create(stage.engine, new)).id
    stage.owners[sub] = ada.id
    return sub


async def retries(stage: Stage, sub: str) -> list[tuple[int, int]]:
    """Month and day of every attempt of the schedule."""
    found = await stage.rows(
        "SELECT started_at FROM payment_attempts WHERE key LIKE :key AND trigger = 'schedule' ORDER BY started_at",
        key=f"charge:invoice:{sub}:%",
    )
    return [(row.started_at.month, row.started_at.day) for row in found]


async def test_own_then_group_then_plan(stage: Stage) -> None:
    """Four subscribers of one plan, declined on 1 May: each goes by the first policy that there is for them."""
    of_plan = await made(stage, policy(1))
    of_group = await made(stage, policy(2, final=FinalAction.PAUSE))
    group = f"group-{uuid4().hex[:6]}"
    await dunning.assign(stage.engine, group, of_group)
    plan = await stage.plan("named", interval=MONTH, prices=PRICES, dunning_policy=of_plan)
    spelt_out = await stage.plan("spelt-out", interval=MONTH, prices=PRICES, dunning=policy(4))
    clock = await stage.clock("2026-04-01 09:00")
    own = await subscribed(stage, clock, plan, group)
    await stage.send(own, "set_dunning", policy=policy(3))
    subs = [own, await subscribed(stage, clock, plan, group), await subscribed(stage, clock, plan)]
    subs += [await subscribed(stage, clock, spelt_out)]
    await stage.advance(clock, "2026-05-01 10:00")
    names = [(await stage.view(sub)).dunning_policy for sub in subs]
    assert names == [None, f"{of_group}@1", f"{of_plan}@1", None]
    await stage.advance(clock, "2026-05-06 09:00")
    assert [await retries(stage, sub) for sub in subs] == [[(5, 4)], [(5, 3)], [(5, 2)], [(5, 5)]]
    assert [(await stage.view(sub)).status for sub in subs] == ["canceled", "paused", "canceled", "canceled"]


async def test_a_new_version_is_for_new_cases(stage: Stage) -> None:
    """Declined on 1 May under version 1; version 2 comes on 2 May. The case keeps its version, the next one has 2."""
    code = await made(stage, policy(3, 20, final=FinalAction.SKIP))
    plan = await stage.plan("named", interval=MONTH, prices=PRICES, dunning_policy=code)
    clock = await stage.clock("2026-04-01 09:00")
    sub = await subscribed(stage, clock, plan)
    await stage.advance(clock, "2026-05-02 09:00")
    await made(stage, policy(5, final=FinalAction.SKIP), code)
    await stage.advance(clock, "2026-06-01 10:00")
    assert (await stage.view(sub)).dunning_policy == f"{code}@2"
    await stage.advance(clock, "2026-06-07 09:00")
    assert await retries(stage, sub) == [(5, 4), (5, 21), (6, 6)]


async def test_a_version_is_applied_to_the_cases_that_run(stage: Stage) -> None:
    """Three cases run; on 2 May the next version is applied. Days count from 1 May, and doing it again does nothing."""
    code = await made(stage, policy(3, 20))
    plan = await stage.plan("named", interval=MONTH, prices=PRICES, dunning_policy=code)
    clock = await stage.clock("2026-04-01 09:00")
    subs = [await subscribed(stage, clock, plan) for _ in range(2)]
    own = await subscribed(stage, clock, plan)
    await stage.send(own, "set_dunning", policy=policy(30))
    healthy = await subscribed(stage, clock, plan, token="pm_card_visa")
    await stage.advance(clock, "2026-05-02 09:00")
    await made(stage, policy(1, 7, final=FinalAction.UNPAID), code)
    first = await dunning.apply(stage.engine, code, limit=1)
    second = await dunning.apply(stage.engine, code, after=first.next)
    assert sorted(first.applied + second.applied) == sorted(subs)
    assert (first.refused, first.waiting, second.next) == ((), (), None)
    again = await dunning.apply(stage.engine, code)
    assert (again.applied, again.refused) == ((), ())
    await stage.advance(clock, "2026-05-09 09:00")
    # The retry of 2 May had passed when it was applied: it is not made up for.
    assert [await retries(stage, sub) for sub in subs] == [[(5, 8)], [(5, 8)]]
    assert [(await stage.view(sub)).status for sub in (*subs, own, healthy)] == [
        "unpaid",
        "unpaid",
        "past_due",
        "active",
    ]
    assert "dunning_policy_set" in await stage.timeline(subs[0])
    # Their cases are over.
    assert (await dunning.apply(stage.engine, code, 1)).applied == ()


async def test_a_policy_is_applied_to_the_cases_of_a_group(stage: Stage) -> None:
    """Whatever they went by; the group's next cases go by what the group has."""
    wanted = await made(stage, policy(9))
    group = f"group-{uuid4().hex[:6]}"
    plan = await stage.plan("spelt-out", interval=MONTH, prices=PRICES, dunning=policy(2))
    clock = await stage.clock("2026-04-01 09:00")
    inside, outside = await subscribed(stage, clock, plan, group), await subscribed(stage, clock, plan)
    await stage.advance(clock, "2026-05-01 10:00")
    done = await dunning.apply(stage.engine, wanted, group=group)
    assert done.applied == (inside,)
    await stage.advance(clock, "2026-05-11 09:00")
    assert [await retries(stage, sub) for sub in (inside, outside)] == [[(5, 10)], [(5, 3)]]


async def test_a_reset_hears_the_policy_that_was_heard(stage: Stage) -> None:
    """The activity that is run again answers as it did, whatever has been assigned since."""
    code = await made(stage, policy(3))
    plan = await stage.plan("named", interval=MONTH, prices=PRICES, dunning_policy=code)
    clock = await stage.clock("2026-04-01 09:00")
    sub = await subscribed(stage, clock, plan)
    await stage.advance(clock, "2026-05-01 10:00")
    await made(stage, policy(8), code)
    await stage.handle(sub).terminate()
    await stage.advance(clock, "2026-05-02 10:00")
    assert (await stage.view(sub)).dunning_policy == f"{code}@1"
    (row,) = await stage.rows(
        "SELECT policy_code, policy_version FROM dunning_cases JOIN invoices ON invoices.id = invoice_id "
        "WHERE subscription_id = :id",
        id=sub,
    )
    assert row == (code, 1)


async def test_an_invoice_that_is_sent_has_the_policy_of_its_day(stage: Stage) -> None:
    """Issued on 1 May, due on 11 May, never paid: the policy of 1 May ends the subscription on 16 May."""
    code = await made(stage, DunningPolicy((), 5, FinalAction.CANCEL, HardDecline.STOP))
    plan = await stage.plan("named", interval=MONTH, prices=PRICES, dunning_policy=code)
    clock = await stage.clock("2026-05-01 09:00")
    sub = await stage.subscribe(clock, plan, card=None, net_days=10)
    await made(stage, DunningPolicy((), 30, FinalAction.CANCEL, HardDecline.STOP), code)
    await stage.advance(clock, "2026-05-16 09:00")
    row = await subscriptions.get(stage.engine, sub)
    assert (row.status, row.ended_at) == ("canceled", at("2026-05-16 09:00"))


async def test_a_case_of_a_sent_invoice_runs_as_well(stage: Stage) -> None:
    """Overdue on 11 May with 5 days of grace; on 12 May the next version gives it 20."""
    code = await made(stage, DunningPolicy((), 5, FinalAction.CANCEL, HardDecline.STOP))
    plan = await stage.plan("named", interval=MONTH, prices=PRICES, dunning_policy=code)
    clock = await stage.clock("2026-05-01 09:00")
    sub = await stage.subscribe(clock, plan, card=None, net_days=10)
    await stage.advance(clock, "2026-05-12 09:00")
    await made(stage, DunningPolicy((), 20, FinalAction.CANCEL, HardDecline.STOP), code)
    assert (await dunning.apply(stage.engine, code)).applied == (sub,)
    await stage.advance(clock, "2026-05-30 09:00")
    assert (await stage.view(sub)).status == "past_due"
    await stage.advance(clock, "2026-05-31 09:00")
    assert (await subscriptions.get(stage.engine, sub)).status == "canceled"


async def test_a_policy_whose_end_has_passed_closes_the_case_at_once(stage: Stage) -> None:
    code = await made(stage, policy(20))
    plan = await stage.plan("named", interval=MONTH, prices=PRICES, dunning_policy=code)
    clock = await stage.clock("2026-04-01 09:00")
    sub = await subscribed(stage, clock, plan)
    await stage.advance(clock, "2026-05-10 09:00")
    await made(stage, policy(1, 2, final=FinalAction.UNPAID), code)
    assert (await dunning.apply(stage.engine, code)).applied == (sub,)
    await stage.advance(clock)
    assert (await stage.view(sub)).status == "unpaid"


async def test_each_step_has_its_channels(stage: Stage) -> None:
    """The first failure by mail, from the second on by text message too, the end by text message alone."""
    failed = CaseMessage.PAYMENT_FAILED
    notices = (
        Notice(failed, ("email", "sms"), from_step=1),
        Notice(failed, (), from_step=2),
        Notice(CaseMessage.SUBSCRIPTION_CANCELED, ("sms",)),
    )
    plan = await stage.plan("steps", interval=MONTH, prices=PRICES)
    clock = await stage.clock("2026-04-01 09:00")
    sub = await subscribed(stage, clock, plan)
    await stage.send(sub, "set_dunning", policy=policy(1, 2, 3, notices=notices))
    await stage.advance(clock, "2026-05-05 09:00")
    told = await stage.rows(
        "SELECT kind, channel, occurred_at FROM outbox_messages WHERE subscription_id = :id ORDER BY id", id=sub
    )
    assert [(row.kind, row.channel, row.occurred_at.day) for row in told if row.occurred_at.month == 5] == [
        ("payment_failed", "email", 1),
        ("payment_failed", "email", 2),
        ("payment_failed", "sms", 2),
        ("subscription_canceled", "sms", 4),
    ]


async def test_the_customers_own_retries_use_up_none_of_the_policys(stage: Stage) -> None:
    plan = await stage.plan("extra", interval=MONTH, prices=PRICES, dunning=policy(1, 3))
    clock = await stage.clock("2026-04-01 09:00")
    sub = await subscribed(stage, clock, plan)
    await stage.advance(clock, "2026-05-01 10:00")
    for _ in range(3):
        await stage.send(sub, "retry_payment")
    await stage.advance(clock, "2026-05-04 09:00")
    assert await retries(stage, sub) == [(5, 2), (5, 4)]


async def test_what_cannot_be(stage: Stage) -> None:
    with pytest.raises(InvalidPolicy, match="no channel is called 'sms'"):
        await made(stage, policy(1, notices=(Notice(CaseMessage.PAYMENT_FAILED, ("sms",)),)))
    with pytest.raises(NotFound):
        await dunning.assign(stage.engine, "anybody", "nothing")
    with pytest.raises(InvalidInput):
        await stage.plan("named", interval=MONTH, prices=PRICES, dunning_policy="nothing")
    code = await made(stage, policy(1))
    same = await dunning.create_version(stage.engine, code, policy(1))
    assert same.version == 1

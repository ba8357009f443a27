"""What operators see in the Temporal UI, and by what they find a run."""

import json
import re
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from perennial.engine import gifts
from perennial.engine.gifts import NewGift
from perennial.links import dashboard_url
from tests.support.stage import Stage, eventually
from tests.workflows.looks import details


async def found(stage: Stage, query: str, *ids: str) -> None:
    """Visibility is a little late."""

    async def finds() -> bool:
        listed = {run.id async for run in stage.engine.temporal.list_workflows(query)}
        return set(ids) <= listed

    await eventually(finds, seconds=10)


async def attributes(stage: Stage, workflow_id: str) -> dict[str, Any]:
    description = await stage.handle(workflow_id).describe()
    return {pair.key.name: pair.value for pair in description.typed_search_attributes}


def summary(event: HistoryEvent) -> str:
    return str(json.loads(event.user_metadata.summary.data)) if event.user_metadata.summary.data else ""


async def test_runs_are_found_by_what_operators_ask_for(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    good = await stage.subscribe(clock, "team-monthly")
    bad = await stage.subscribe(clock, "team-monthly", card="pm_card_declines_charges_2_to_9")
    paused = await stage.subscribe(clock, "basic-monthly")
    await stage.send(paused, "pause")
    await stage.send(good, "change_plan", plan="standard-monthly")
    await stage.advance(clock, "2026-03-02 10:00")
    await found(stage, "SubscriptionStatus = 'past_due' AND DunningAttempt = 2 AND PlanCode = 'team-monthly'", bad)
    await found(stage, "PastDueSince < '2026-02-28T10:00:01Z' AND SubscriptionStatus = 'past_due'", bad)
    await found(stage, f"CustomerId = '{stage.owners[good]}' AND SubscriptionStatus = 'active'", good)
    await found(stage, "SubscriptionStatus = 'paused' AND NextDueAt IS NULL", paused)
    await found(
        stage,
        f"NextDueAt BETWEEN '2026-03-31T10:00:00Z' AND '2026-03-31T10:00:01Z' AND CustomerId = '{stage.owners[good]}'",
        good,
    )
    for sub in (good, bad, paused):
        seen, view = await attributes(stage, sub), await stage.view(sub)
        assert seen["SubscriptionStatus"] == view.status
        assert seen["PlanCode"] == view.plan
        assert seen["CustomerId"] == view.customer_id
        assert seen["DunningAttempt"] == view.dunning_attempt
        assert seen.get("NextDueAt") == view.next_due_at


async def test_a_run_shows_what_it_is_and_what_comes_next(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly", quantity=3)
    await stage.advance(clock, "2026-02-10 10:00")
    described = await stage.handle(sub).describe()
    assert await described.static_summary() == "Team (per seat) x 3 · USD 37.50 / month"
    shown = await details(stage, sub)
    assert shown.startswith("**active** · Team (per seat) x 3 · USD 37.50")
    assert (
        "\n\n- period 0: 2026-01-31 10:00 UTC to 2026-02-28 10:00 UTC\n- next: renewal 2026-02-28 10:00 UTC\n" in shown
    )
    await stage.send(sub, "cancel")
    assert "- ends 2026-02-28" in await details(stage, sub)


async def test_dunning_is_told_in_the_details(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, card="pm_card_declines_charges_2_to_9")
    await stage.advance(clock, "2026-03-02 10:00")
    shown = await details(stage, sub)
    assert shown.startswith("**past_due**")
    owed = re.search(r"- owed: \[`invoice:sub_\w+:\d+:period`\]\((.*)\), attempt 2: insufficient_funds", shown)
    assert owed
    [[invoice]] = await stage.rows("SELECT id FROM invoices WHERE subscription_id = :id AND status = 'open'", id=sub)
    assert owed[1] == f"{dashboard_url(stage.engine.settings)}/invoices/{invoice}"


async def test_a_run_leads_to_its_page_and_its_last_invoice(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    shown = await eventually(lambda: details(stage, sub))
    [[invoice, key]] = await stage.rows("SELECT id, key FROM invoices WHERE subscription_id = :id", id=sub)
    home = dashboard_url(stage.engine.settings)
    assert f"- dashboard: [`{sub}`]({home}/subscriptions/{sub})" in shown
    assert f"- last invoice: [`{key}`]({home}/invoices/{invoice})" in shown
    history = str(await stage.handle(sub).fetch_history())
    assert home not in history


async def test_every_timer_and_every_activity_says_what_it_is_for(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock, "team-monthly", card="pm_card_declines_charges_2_to_2")
    await stage.send(sub, "skip_next")
    await stage.advance(clock, "2026-04-10 10:00")
    history = await stage.handle(sub).fetch_history()
    timers = [summary(e) for e in history.events if e.event_type == EventType.EVENT_TYPE_TIMER_STARTED]
    work = [summary(e) for e in history.events if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED]
    assert [line for line in timers if not re.fullmatch(r"[a-z_]+ \d{4}-\d\d-\d\d", line)] == []
    assert {"renewal 2026-02-28", "renewal 2026-03-31", "payment_retry 2026-04-01"} <= set(timers)
    kinds = r"(bill|issue|charge|settle|credit) (inv|cn)_\w+.*|inv_\w+ becomes \w+|record [\w, ]+"
    assert [line for line in work if not re.fullmatch(kinds, line)] == []
    assert any(re.fullmatch(r"bill inv_\w+ USD 12\.50", line) for line in work)
    assert any(re.fullmatch(r"charge inv_\w+ attempt 2", line) for line in work)


async def test_a_gift_says_what_it_is(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    new = NewGift(
        giver_id=await stage.customer(),
        plan="basic-monthly",
        currency="USD",
        periods=3,
        recipient_email="eve@example.com",
        recipient_name="Eve",
        test_clock_id=clock,
    )
    gift = (await gifts.buy(stage.engine, new)).id
    described = await stage.handle(gift).describe()
    assert await described.static_summary() == "gift: Basic x 1, 3 periods"
    page = f"- dashboard: [`{gift}`]({dashboard_url(stage.engine.settings)}/others/{gift})"
    assert await details(stage, gift) == f"**delivered** · 3 x Basic\n\n- next: expiry 2027-01-31 10:00 UTC\n{page}"
    await found(stage, f"CustomerId = '{new.giver_id}'", gift)


async def test_questions_are_answered_without_an_event(stage: Stage) -> None:
    clock = await stage.clock("2026-01-31 10:00")
    sub = await stage.subscribe(clock)
    await stage.advance(clock, "2026-02-10 10:00")
    before = len((await stage.handle(sub).fetch_history()).events)
    view, state, progress = await stage.view(sub), await stage.state(sub), await stage.progress(sub)
    assert (view.id, view.status, view.access) == (sub, "active", True)
    assert (state.id, state.period.start, state.period.end) == (sub, view.period_start, view.period_end)
    assert (progress.busy, progress.wake_at, progress.ended) == (False, view.next_due_at, False)
    assert len((await stage.handle(sub).fetch_history()).events) == before

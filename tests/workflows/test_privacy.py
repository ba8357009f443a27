"""Workflows hold ids, money, dates and codes. Nothing in Temporal says who somebody is."""

import pytest
from temporalio.client import WorkflowHandle

from perennial.domain.errors import CommandRefused
from perennial.engine import customers, gifts, subscriptions
from perennial.engine.context import Engine
from perennial.engine.gifts import NewGift
from perennial.engine.subscriptions import NewSubscription
from tests.support.stage import Stage

NAME, EMAIL = "Zebulon Quixote-Canary", "zebulon.canary@personal.example"
RECIPIENT, RECIPIENT_EMAIL, WORDS = "Wilhelmina Canary", "wilhelmina@personal.example", "many happy canaries"
TOKEN = "pm_card_declines_charges_2_to_3:canarycard"


async def everything(engine: Engine, workflow_id: str) -> bytes:
    """All that Temporal stores of a workflow: every run's events with their payloads and summaries, search
    attributes, memo, descriptions.
    """
    described = await engine.temporal.get_workflow_handle(workflow_id).describe()
    parts = [described.raw_description.SerializeToString()]
    run = described.raw_description.workflow_execution_info.first_run_id
    while run:
        handle: WorkflowHandle[object, object] = engine.temporal.get_workflow_handle(workflow_id, run_id=run)
        history = await handle.fetch_history()
        parts += [event.SerializeToString() for event in history.events]
        run = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return b"\n".join(parts)


async def test_no_name_no_address_no_token_and_no_claim_code_enters_temporal(stage: Stage) -> None:
    engine = stage.engine
    clock = await stage.clock("2026-01-31 10:00")
    customer = (await customers.create(engine, name=NAME, email=EMAIL)).id
    await customers.attach_payment_method(engine, customer, TOKEN)
    new = NewSubscription(customer_id=customer, plan="team-monthly", currency="USD", test_clock_id=clock)
    sub = (await subscriptions.create(engine, new)).id
    stage.owners[sub] = customer
    giver = (await customers.create(engine, name=NAME, email=EMAIL)).id
    await customers.attach_payment_method(engine, giver, "pm_card_visa:canarycard")
    bought = await gifts.buy(
        engine,
        NewGift(
            giver_id=giver,
            plan="basic-monthly",
            currency="USD",
            periods=2,
            recipient_email=RECIPIENT_EMAIL,
            recipient_name=RECIPIENT,
            message=WORDS,
            test_clock_id=clock,
        ),
    )
    recipient = (await customers.create(engine, name=RECIPIENT, email=RECIPIENT_EMAIL)).id
    _, gifted = await gifts.claim(engine, bought.claim_code, recipient)
    await stage.send(sub, "change_quantity", quantity=2)
    with pytest.raises(CommandRefused):
        await stage.send(sub, "resume")
    await stage.advance(clock, "2026-04-20 10:00")
    assert "payment_failed" in await stage.timeline(sub)

    secrets = [NAME, EMAIL, RECIPIENT, RECIPIENT_EMAIL, WORDS, bought.claim_code, "canary"]
    for workflow_id, known in ((sub, customer), (bought.id, giver), (gifted, recipient)):
        stored = await everything(engine, workflow_id)
        assert known.encode() in stored, "the search finds what is there"
        assert [word for word in secrets if word.lower().encode() in stored.lower()] == [], workflow_id

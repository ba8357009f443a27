"""Workflows hold ids, money, dates and codes; logs too. Nothing in Temporal and no line of a log says who somebody is.

Every column of the tables that know people is either planted with a canary here or named as telling nothing of anybody:
a new one fails the test until somebody has decided.
"""

import json
from collections.abc import AsyncIterator

import pytest
import structlog
from sqlalchemy import delete
from sqlalchemy.orm import Session
from temporalio.client import WorkflowHandle

from perennial.db.models import Base, Customer, Gift, LocationEvidence, PaymentMethod, Seller
from perennial.domain.drafts import DraftLine
from perennial.domain.errors import CommandRefused
from perennial.engine import credit_notes, customers, drafts, gifts, one_off, seller, subscriptions
from perennial.engine.context import Engine
from perennial.engine.credit_notes import NewCreditNote
from perennial.engine.drafts import NewDraft
from perennial.engine.gifts import NewGift
from perennial.engine.invoices import Request
from perennial.engine.subscriptions import NewSubscription
from perennial.support import desk
from perennial.support.audit import Who
from perennial.support.reset import planned
from tests.support.log_lines import logged
from tests.support.stage import Stage

CUSTOMER = {
    "name": "Zebulon Canary",
    "email": "zebulon.canary@personal.example",
    "company": "Canary Breeders Ltd",
    "address_line1": "7 Canary Wharf",
    "address_line2": "Cage of the canary",
    "postal_code": "60486",
    "city": "Canaryville",
    "vat_number": "DE811569869",
}
GIFT = {
    "recipient_name": "Wilhelmina Canary",
    "recipient_email": "wilhelmina@canary.example",
    "message": "many happy canaries",
}
SELLER = {
    "name": "Canary Seeds AG",
    "address_line1": "1 Canary Yard",
    "address_line2": "Canary's door",
    "postal_code": "80331",
    "city": "Canarytown",
    "email": "seller@canary.example",
    "phone": "+49 89 226227",
    "website": "https://canary.example",
    "vat_number": "DE136695976",
    "register_number": "HRB 226227",
    "iban": "DE89370400440532013000",
    "bic": "COBADEFFXXX",
    "footer": "Canary Seeds, since 1926",
    "logo": b"<svg xmlns='http://www.w3.org/2000/svg'><text>canary</text></svg>",
}
CARD = "pm_card_declines_charges_2_to_3:canarycard"
# Written by us from what is above.
MADE = {Gift: {"claim_code"}, PaymentMethod: {"token", "last4", "exp_month", "exp_year", "fingerprint"}}
TELLS_NOTHING = {
    Customer: {
        "id", "timezone", "locale", "region", "country", "vat_checked_at", "tax_exempt", "net_days",
        "customer_group", "created_at",
    },
    Gift: {
        "id", "giver_id", "recipient_id", "plan_code", "plan_version", "quantity", "periods", "currency", "status",
        "deliver_at", "expires_at", "next_due_at", "subscription_id", "test_clock_id", "created_at", "state", "run_id",
        "step",
    },
    Seller: {
        "id", "region", "country", "timezone", "registrations", "tax_rounding", "invoice_prefix", "credit_note_prefix",
        "numbers_by_year", "updated_at",
    },
    PaymentMethod: {
        "id", "customer_id", "gateway", "brand", "is_default", "is_backup", "card_barred", "created_at",
        "detached_at",
    },
    LocationEvidence: {"id", "customer_id", "kind", "country", "region", "recorded_at"},
}  # fmt: skip
PLANTED: dict[type[Base], set[str]] = {Customer: set(CUSTOMER), Gift: set(GIFT), Seller: set(SELLER)}


@pytest.mark.parametrize("model", TELLS_NOTHING, ids=lambda model: model.__tablename__)
def test_every_column_that_knows_people_is_planted(model: type[Base]) -> None:
    columns = {column.name for column in model.__table__.columns}
    assert columns == PLANTED.get(model, set()) | MADE.get(model, set()) | TELLS_NOTHING[model]


@pytest.fixture
async def canaries_sell(engine: Engine) -> AsyncIterator[None]:
    """For the time of a test: the database is everybody's."""
    await seller.put(engine, seller.Profile(country="DE", **SELLER))  # type: ignore[arg-type]
    yield

    def forget(session: Session) -> None:
        session.execute(delete(Seller))

    await engine.write(forget)


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


def found(secrets: set[str], told: bytes) -> list[str]:
    return [word for word in sorted(secrets) if word.lower().encode() in told.lower()]


async def test_nobodys_name_enters_temporal_or_a_log(stage: Stage, canaries_sell: None) -> None:
    engine = stage.engine
    with logged("debug") as lines:
        structlog.get_logger("test").info("begun", request_id="req_privacy")
        clock = await stage.clock("2026-01-31 10:00")
        customer = (await customers.create(engine, country="DE", **CUSTOMER)).id  # type: ignore[arg-type]
        await customers.attach_payment_method(engine, customer, CARD)
        new = NewSubscription(customer_id=customer, plan="team-monthly", currency="USD", test_clock_id=clock)
        sub = (await subscriptions.create(engine, new)).id
        stage.owners[sub] = customer
        giver = (await customers.create(engine, country="DE", **CUSTOMER)).id  # type: ignore[arg-type]
        await customers.attach_payment_method(engine, giver, "pm_card_visa:canarycard")
        present = NewGift(
            giver_id=giver, plan="basic-monthly", currency="USD", periods=2, test_clock_id=clock, **GIFT
        )  # type: ignore[arg-type]  # fmt: skip
        bought = await gifts.buy(engine, present)
        recipient = (await customers.create(engine, name=GIFT["recipient_name"], email=GIFT["recipient_email"])).id
        _, gifted = await gifts.claim(engine, bought.claim_code, recipient)
        await stage.send(sub, "change_quantity", quantity=2)
        with pytest.raises(CommandRefused):
            await stage.send(sub, "resume")
        await stage.advance(clock, "2026-04-20 10:00")
        assert "payment_failed" in await stage.timeline(sub)
        log = json.dumps(lines()).encode()

    words = {*CUSTOMER.values(), *GIFT.values(), *SELLER.values()} - {SELLER["logo"]}
    secrets = {str(word) for word in words} | {bought.claim_code, "canary", "canaries", "811569869", "136695976"}
    for workflow_id, known in ((sub, customer), (bought.id, giver), (gifted, recipient)):
        stored = await everything(engine, workflow_id)
        assert known.encode() in stored, "the search finds what is there"
        assert found(secrets, stored) == [], workflow_id
    assert b"req_privacy" in log
    assert sub.encode() in log, "the search finds what is there"
    assert found(secrets, log) == []


async def test_what_people_write_stays_in_our_own_tables(stage: Stage) -> None:
    """Prose of lines, memos and reasons, and the names of those who act for support."""
    engine = stage.engine
    with logged("debug") as lines:
        structlog.get_logger("test").info("begun", request_id="req_prose")
        clock = await stage.clock("2026-01-31 10:00")
        sub = await stage.subscribe(clock)
        line = DraftLine(description="Singing lessons for Zebulon", amount=5_000)
        owner = stage.owners[sub]
        new = NewDraft(customer_id=owner, currency="USD", lines=(line,), memo="Dear Zebulon!", test_clock_id=clock)
        invoice = (await drafts.create(engine, new)).id
        await one_off.finalise(engine, invoice)
        [[billed]] = await stage.rows("SELECT id FROM invoices WHERE subscription_id = :id", id=sub)
        for number, credited in enumerate((invoice, billed)):
            apology = NewCreditNote(invoice_id=credited, amount=100, memo="Zebulon, we are sorry")
            await credit_notes.issue(engine, apology, Request(id=f"req_{number}"))
        who = Who("zebulon", "Zebulon has called")
        await desk.park(engine, who, sub)
        await desk.unpark(engine, who, sub)
        await desk.reset(engine, who, await planned(engine, sub, to="1"))
        log = json.dumps(lines()).encode()
    [[memo]] = await stage.rows("SELECT memo FROM credit_notes WHERE invoice_id = :id", id=billed)
    assert memo == "Zebulon, we are sorry"
    [[note]] = await stage.rows("SELECT id FROM credit_notes WHERE invoice_id = :id", id=invoice)
    for workflow_id in (sub, invoice, note):
        stored = await everything(engine, workflow_id)
        assert owner.encode() in stored, "the search finds what is there"
        assert found({"zebulon"}, stored) == [], workflow_id
    assert sub.encode() in log, "the search finds what is there"
    assert found({"zebulon"}, log) == []

"""The table of Stripe's references was lost with the database: Stripe's own lists say again what our keys lead to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from perennial.gateways.stripe import StripeGateway
from perennial.ports import (
    ChargeRequest,
    ChargeStatus,
    GatewayEventKind,
    KeepsReferences,
    ListsDisputes,
    RefundRequest,
    RefundStatus,
)
from tests.contracts.adapters import SECRET
from tests.support.databases import own_database
from tests.support.stripe.server import StandIn
from tests.support.stripe.world import ASKS_FOR_3DS, CHARGE_DECLINED, fixture, new_card, stripe_gateway

KNOWN = text("SELECT kind, key, object_id, owner FROM stripe.objects WHERE object_id IS NOT NULL")


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    with own_database(database_url) as engine:
        yield engine


@pytest.fixture
def lossy(stand: StandIn, database: Engine) -> Iterator[StripeGateway]:
    gateway = stripe_gateway(stand, database, SECRET)
    yield gateway
    gateway.close()


def known(database: Engine) -> set[tuple[str, ...]]:
    with database.connect() as connection:
        return {tuple(row) for row in connection.execute(KNOWN)}


def test_every_key_leads_to_its_object_again(lossy: StripeGateway, stand: StandIn, database: Engine) -> None:
    word, began = uuid4().hex, datetime.now(UTC) - timedelta(minutes=1)

    def ask(number: str) -> ChargeRequest:
        return ChargeRequest(f"charge:{uuid4()}:1", 1999, "USD", new_card(stand, number), f"cus_{word}_{number}")

    paid, declined, asked = ask("4242424242424242"), ask(CHARGE_DECLINED), ask(ASKS_FOR_3DS)
    answers = {each.key: lossy.charge(each) for each in (paid, declined, asked)}
    assert {answer.status for answer in answers.values()} == {
        ChargeStatus.SUCCEEDED,
        ChargeStatus.DECLINED,
        ChargeStatus.REQUIRES_ACTION,
    }
    refund = RefundRequest(f"refund:{word}", paid.key, answers[paid.key].gateway_ref, 500, "USD")
    lossy.refund(refund)
    before = known(database)
    with database.begin() as connection:
        connection.execute(text("DELETE FROM stripe.objects"))
    assert lossy.find_charge(paid.key) is None

    assert isinstance(lossy, KeepsReferences)
    assert lossy.recall(began) >= 4
    assert known(database) >= before, before - known(database)
    assert lossy.recall(began) == 0
    intents = len(stand.intents())
    for each in (paid, declined, asked):
        assert lossy.find_charge(each.key) == answers[each.key]
        assert lossy.charge(each) == answers[each.key]
    assert lossy.find_refund(refund.key) == lossy.refund(refund)
    assert lossy.refund(RefundRequest(f"refund:{word}:2", *_of(refund))).status is RefundStatus.SUCCEEDED
    assert stand.intent(refund.gateway_ref)["latest_charge"]["amount_refunded"] == 1000
    assert len(stand.intents()) == intents
    # The card is the same customer's as before, so that nobody else can be charged by it.
    again = ChargeRequest(f"charge:{uuid4()}:1", 1999, "USD", paid.token, paid.customer_reference)
    customers = len(stand.calls("PostCustomers"))
    assert lossy.charge(again).status is ChargeStatus.SUCCEEDED
    assert len(stand.calls("PostCustomers")) == customers


def _of(refund: RefundRequest) -> tuple[str, str, int, str]:
    return refund.charge_key, refund.gateway_ref, refund.amount, refund.currency


def test_disputes_are_told_as_webhooks_would(lossy: StripeGateway, stand: StandIn) -> None:
    asked = ChargeRequest(f"charge:{uuid4()}:1", 1999, "USD", new_card(stand), f"cus_{uuid4()}")
    paid, now = lossy.charge(asked), datetime.now(UTC)
    sample = fixture("dispute", payment_intent=paid.gateway_ref, amount=1999, currency="usd", metadata={})
    for status in ("needs_response", "won", "lost", "warning_under_review"):
        about = {"id": f"du_{status}", "status": status, "created": int(now.timestamp())}
        stand.manners.disputes.append(sample | about)
    old = now - timedelta(days=400)
    stand.manners.disputes.append(sample | {"id": "du_old", "status": "lost", "created": int(old.timestamp())})
    assert isinstance(lossy, ListsDisputes)
    told = {each.gateway_ref: each for each in lossy.disputes(now)}
    stand.manners.disputes.clear()
    assert {ref: each.kind for ref, each in told.items()} == {
        "du_needs_response": GatewayEventKind.DISPUTE_OPENED,
        "du_won": GatewayEventKind.DISPUTE_WON,
        "du_lost": GatewayEventKind.DISPUTE_LOST,
    }
    # What a webhook tells of a decision after this counts, and what is late does not.
    assert all(each.at and now <= each.at <= datetime.now(UTC) for each in told.values())
    assert {(each.charge_key, each.amount, each.currency) for each in told.values()} == {(asked.key, 1999, "USD")}

"""What the card networks allow holds for one physical card across subscriptions, triggers and threads."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from sqlalchemy import select

from perennial.db.engine import unit_of_work
from perennial.db.models import PaymentAttempt
from perennial.db.repositories import invoices, payments
from perennial.domain.networks import CardBarred, CardBudgetSpent
from perennial.domain.subscription.effects import Trigger
from perennial.engine import customers, subscriptions
from perennial.engine.context import Engine
from perennial.engine.subscriptions import NewSubscription
from tests.support.stage import Stage

NOW = datetime(2026, 6, 1, 10, tzinfo=UTC)


@pytest.fixture
def stage(engine: Engine) -> Stage:
    return Stage(engine)


def one_card(kind: str) -> str:
    """A physical card that no other test has."""
    return f"{kind}:{uuid4().hex[:10]}"


async def _open_invoice(stage: Stage, token: str) -> tuple[str, str]:
    """A declined first invoice and the subscription that owes it."""
    sub = await stage.subscribe(await stage.clock(NOW), card=token)
    (bill,) = await stage.bills(sub)
    assert bill.status == "open"
    return bill.key, sub


def _begin(stage: Stage, key: str, n: int, at: datetime, trigger: Trigger = Trigger.SCHEDULE) -> str | None:
    """Begin attempt `n` as a worker would; what it was declined with at once, if it was."""
    with unit_of_work(stage.engine.sessions) as session:
        invoice = invoices.find(session, key)
        assert invoice is not None
        method = session.scalars(
            select(PaymentAttempt.payment_method_id).where(PaymentAttempt.invoice_id == invoice.id)
        ).first()
        return payments.begin(session, invoice, n, method, "simulator", trigger.value, at).decline_code


async def test_parallel_retries_cannot_exceed_the_budget(stage: Stage) -> None:
    """Mastercard: ten attempts in 24 hours, the first one among them; thirty threads begin at the same moment."""
    key, _ = await _open_invoice(stage, one_card("pm_card_mastercardInsufficientFunds"))
    together = Barrier(30)

    def retry(n: int) -> str | None:
        together.wait()
        return _begin(stage, key, n, NOW + timedelta(minutes=1))

    with ThreadPoolExecutor(30) as pool:
        refused = list(pool.map(retry, range(2, 32)))
    assert refused.count(None) == 9
    assert refused.count("network_budget_exceeded") == 21
    # What was refused was not tried: a day later the counter knows of ten.
    assert _begin(stage, key, 40, NOW + timedelta(days=1, minutes=2)) is None


async def test_it_is_the_card_that_is_counted_not_the_customer(stage: Stage) -> None:
    """Two customers, two subscriptions, one card; another amount has a counter of its own."""
    token = one_card("pm_card_mastercardInsufficientFunds")
    first, _ = await _open_invoice(stage, token)
    second, _ = await _open_invoice(stage, token)
    for n in range(2, 10):
        assert _begin(stage, first, n, NOW + timedelta(hours=n)) is None
    assert _begin(stage, second, 2, NOW + timedelta(hours=10)) == "network_budget_exceeded"
    other = await stage.subscribe(await stage.clock(NOW), plan="standard-monthly", card=token)
    (attempt,) = await stage.rows(
        "SELECT decline_code FROM payment_attempts WHERE key = :key", key=f"charge:invoice:{other}:0:period:1"
    )
    assert attempt.decline_code == "insufficient_funds"


async def test_visa_counts_neither_originals_nor_the_other_side(stage: Stage) -> None:
    """Twenty reattempts in thirty days; the customer's own are counted apart from the engine's."""
    key, _ = await _open_invoice(stage, one_card("pm_card_chargeDeclinedInsufficientFunds"))
    assert [_begin(stage, key, n, NOW + timedelta(hours=n)) for n in range(2, 22)] == [None] * 20
    assert _begin(stage, key, 22, NOW + timedelta(days=2)) == "network_budget_exceeded"
    assert _begin(stage, key, 23, NOW + timedelta(days=2), Trigger.CUSTOMER) is None
    assert _begin(stage, key, 24, NOW + timedelta(days=31)) is None


async def test_an_attempt_that_exists_is_answered_as_it_is(stage: Stage) -> None:
    """A worker that begins again what it began is not refused by its own attempt."""
    key, _ = await _open_invoice(stage, one_card("pm_card_mastercardInsufficientFunds"))
    for n in range(2, 11):
        assert _begin(stage, key, n, NOW + timedelta(minutes=n)) is None
    assert _begin(stage, key, 10, NOW + timedelta(minutes=30)) is None
    assert _begin(stage, key, 11, NOW + timedelta(minutes=30)) == "network_budget_exceeded"


async def test_plain_tokens_of_a_population_share_no_budget(stage: Stage) -> None:
    """`pm_card_mastercard` of two customers is two cards; of one customer it is one, however often it is given."""
    ada, bob = await stage.customer("pm_card_mastercard"), await stage.customer("pm_card_mastercard")
    await stage.card(ada, "pm_card_mastercard")
    cards = {
        name: {
            row.fingerprint
            for row in await stage.rows("SELECT fingerprint FROM payment_methods WHERE customer_id = :id", id=name)
        }
        for name in (ada, bob)
    }
    assert len(cards[ada]) == len(cards[bob]) == 1
    assert cards[ada] != cards[bob]


async def test_a_customer_who_retries_too_often_hears_from_when_on(stage: Stage) -> None:
    """Nothing is sent, and no attempt of the policy is used up."""
    key, sub = await _open_invoice(stage, one_card("pm_card_mastercardInsufficientFunds"))
    for _ in range(9):
        await stage.send(sub, "retry_payment")
    before = await stage.state(sub)
    with pytest.raises(CardBudgetSpent) as refused:
        await stage.send(sub, "retry_payment")
    assert refused.value.again_at == NOW + timedelta(days=1, seconds=1)
    after = await stage.state(sub)
    assert after.collection == before.collection
    assert after.collection is not None
    assert after.collection.retries_used == 0
    charges = await stage.rows("SELECT 1 FROM simulator.payments WHERE key LIKE :key", key=f"charge:{key}:%")
    assert len(charges) == 10


async def test_a_card_that_its_network_has_barred(stage: Stage) -> None:
    """Advice 03: no attempt at all, for nobody and at no amount; a retry is refused and another card is waited for."""
    token = one_card("pm_card_networkAdvice03")
    key, sub = await _open_invoice(stage, token)
    (told,) = await stage.rows(
        "SELECT response_code, advice_code, card_barred FROM payment_attempts a "
        "JOIN payment_methods m ON m.id = a.payment_method_id WHERE a.key = :key",
        key=f"charge:{key}:1",
    )
    assert told == (None, "03", True)
    with pytest.raises(CardBarred):
        await stage.send(sub, "retry_payment")
    other = await stage.subscribe(await stage.clock(NOW), plan="standard-monthly", card=token)
    (attempt,) = await stage.rows(
        "SELECT status, decline_code, gateway_ref FROM payment_attempts WHERE key = :key",
        key=f"charge:invoice:{other}:0:period:1",
    )
    assert attempt == ("declined", "network_never_retry", None)
    case = (await stage.state(other)).collection
    assert case is not None
    assert case.waits_for == "new_method"
    (mail,) = await stage.rows("SELECT kind, payload FROM outbox_messages WHERE subscription_id = :id", id=other)
    assert (mail.kind, mail.payload["code"]) == ("payment_failed", "network_never_retry")


async def test_the_backup_is_tried_when_the_network_forbids_the_card(stage: Stage) -> None:
    barred = one_card("pm_card_networkResponse43")
    await _open_invoice(stage, barred)
    customer = await stage.customer(barred)
    backup = await customers.attach_payment_method(stage.engine, customer, "pm_card_visa", default=False)
    await customers.set_roles(stage.engine, customer, backup.id, backup=True)
    view = await subscriptions.create(
        stage.engine,
        NewSubscription(
            customer_id=customer, plan="basic-monthly", currency="USD", test_clock_id=await stage.clock(NOW)
        ),
    )
    assert view.status == "active"
    tried = await stage.rows(
        "SELECT trigger, status, decline_code FROM payment_attempts WHERE customer_id = :id ORDER BY n", id=customer
    )
    assert tried == [("automatic", "declined", "network_never_retry"), ("backup", "succeeded", None)]


async def test_a_crowd_with_one_card_is_held_by_the_running_engine(stage: Stage) -> None:
    """Twelve subscriptions of twelve customers begin at once with one Mastercard: the gateway sees ten charges."""
    token = one_card("pm_card_mastercardInsufficientFunds")
    clock = await stage.clock(NOW)
    subs = await asyncio.gather(*(stage.subscribe(clock, card=token) for _ in range(12)))
    charges = await stage.rows("SELECT key FROM simulator.payments WHERE token = :token", token=token)
    assert len(charges) == 10
    states = [await stage.state(sub) for sub in subs]
    codes = sorted(state.collection.code or "" for state in states if state.collection)
    assert codes == ["insufficient_funds"] * 10 + ["network_budget_exceeded"] * 2

"""The simulator as a witness: its books say what happened, and cannot be changed afterwards."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from perennial.gateways.simulator import SimulatorGateway, books, create_schema, witness
from perennial.gateways.simulator.books import Outcome
from perennial.ports import ChargeRequest, ChargeStatus, GatewayRefused, RefundRequest

Ask = Callable[..., ChargeRequest]


def test_captures_refunds_and_disputes_are_booked(engine: Engine, gateway: SimulatorGateway, ask: Ask) -> None:
    before = witness(engine).balances.get("CHF", 0)
    request = ask(currency="CHF", amount=5000)
    paid = gateway.charge(request)
    gateway.charge(ask("pm_card_chargeDeclined", currency="CHF"))
    gateway.refund(RefundRequest(f"refund:{uuid4()}:1", request.key, paid.gateway_ref, 1200, "CHF"))
    said = witness(engine)
    assert said.balances["CHF"] - before == 3800
    assert said.balanced
    capture = said.by_charge_key[request.key]
    assert (capture.amount, capture.refunded, capture.description) == (5000, 1200, request.description)
    gateway.dispute(paid.gateway_ref)
    assert witness(engine).balances["CHF"] == before


@pytest.mark.parametrize(("won", "kept", "refund"), [(True, 3800, "succeeded"), (False, 0, "failed")])
def test_the_bank_decides_a_dispute_once(
    engine: Engine, gateway: SimulatorGateway, ask: Ask, *, won: bool, kept: int, refund: str
) -> None:
    """Until then, and when it is lost, the money is gone and nothing of it can be refunded."""
    request = ask(amount=5000)
    paid = gateway.charge(request)
    refunds = [RefundRequest(f"refund:{uuid4()}:1", request.key, paid.gateway_ref, 1200, "USD") for _ in range(3)]
    gateway.refund(refunds[0])
    with pytest.raises(GatewayRefused):
        gateway.decide_dispute(paid.gateway_ref, won=won)
    dispute = gateway.dispute(paid.gateway_ref)
    assert gateway.refund(refunds[1]).failure_code == "charge_disputed"
    assert witness(engine).by_charge_key[request.key].disputed == 3800
    assert gateway.decide_dispute(paid.gateway_ref, won=won) == dispute
    with pytest.raises(GatewayRefused):
        gateway.decide_dispute(paid.gateway_ref, won=not won)
    said = witness(engine)
    assert (said.by_charge_key[request.key].disputed, said.balanced) == (3800 - kept, True)
    assert gateway.refund(refunds[2]).status == refund


def test_two_captures_for_one_thing_are_seen(engine: Engine, gateway: SimulatorGateway, ask: Ask) -> None:
    thing = f"inv_{uuid4()}"
    first, second, other = (ask(description=text) for text in (thing, thing, f"inv_{uuid4()}"))
    for request in (first, other, first):
        gateway.charge(request)
    assert thing not in {duplicate.description for duplicate in witness(engine).duplicates}
    gateway.charge(second)
    (duplicate,) = [found for found in witness(engine).duplicates if found.description == thing]
    assert duplicate.charge_keys == (first.key, second.key)


def test_a_page_waits_for_a_charge_that_is_being_written(engine: Engine, gateway: SimulatorGateway, ask: Ask) -> None:
    """Its id is smaller than that of a charge which is faster: a page in between would lose it for ever."""
    slow, fast = ask(), ask()
    last = gateway.payments(None, 10_000).items
    with ThreadPoolExecutor(1) as pool, engine.connect() as connection:
        books.record(connection, slow, Outcome(ChargeStatus.SUCCEEDED))
        gateway.charge(fast)
        page = pool.submit(gateway.payments, None, 10_000)
        with pytest.raises(TimeoutError):
            page.result(timeout=0.2)
        connection.commit()
        assert [payment.charge_key for payment in page.result(timeout=5).items[len(last) :]] == [slow.key, fast.key]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE simulator.entries SET amount = 0",
        "DELETE FROM simulator.entries",
        "TRUNCATE simulator.entries",
    ],
)
def test_the_books_are_append_only(engine: Engine, gateway: SimulatorGateway, ask: Ask, statement: str) -> None:
    gateway.charge(ask())
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))


def test_the_schema_is_made_by_many_at_once(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA simulator CASCADE"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create_schema, [engine] * 8))
    said = witness(engine)
    assert (said.captures, said.balances, said.balanced) == ((), {}, True)

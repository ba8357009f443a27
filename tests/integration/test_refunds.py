"""Refunds: to the gateway of the charge, pending until it says otherwise, once, and never more than was taken."""

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from perennial.contracts import activities as tasks
from perennial.db.engine import unit_of_work
from perennial.db.repositories import credit_notes
from perennial.db.repositories.findings import Found
from perennial.domain.subscription.effects import Credit
from perennial.engine import refunds, webhooks
from perennial.engine.context import Engine
from perennial.gateways.enabled import Gateways
from perennial.gateways.simulator import SimulatorGateway, signatures
from perennial.support.repairs import repair
from tests.support.executions import AMOUNT, NOW, Debt, Killed, execution, kill_at, nothing, waits

FIRST, SECOND = "simulator", "simulator_2"
SECRET = "whsec_of_the_refund_tests"


@pytest.fixture(scope="module")
def two(paper_books: Engine) -> Engine:
    """The engine with both gateways."""
    gateways = [SimulatorGateway(paper_books.db, webhook_secret=SECRET, name=name) for name in (FIRST, SECOND)]
    for gateway in gateways:
        gateway.create_schema()
    return replace(paper_books, gateways=Gateways(*gateways))


def paid(engine: Engine, first: str = "pm_card_visa", second: str = "pm_card_visa") -> Debt:
    debt = Debt(engine, engine.gateways, (first, second))
    debt.bill()
    debt.paid_once()
    return debt


def credit(debt: Debt, amount: int, key: str | None = None, step: Any = nothing) -> None:
    effect = Credit(key or f"credit:{uuid4().hex}", "goodwill", "USD", (debt.invoice,), amount, refund=True)
    task = tasks.CreditTask(tasks.Subject(debt.name), effect, NOW + timedelta(days=1))
    debt.run(execution(debt.engine, debt.gateways, step).credit, task)


def rows(debt: Debt) -> list[Any]:
    return debt.rows(
        "SELECT r.status, r.amount, r.gateway_ref, r.key, a.gateway FROM refunds r "
        "JOIN payment_attempts a ON a.id = r.attempt_id WHERE a.customer_id = :id ORDER BY r.key"
    )


def balance(debt: Debt) -> int:
    return sum(row.balance for row in debt.rows("SELECT balance FROM credit_balances WHERE customer_id = :id"))


def told(debt: Debt) -> list[tuple[str, int]]:
    """What the customer is told of refunds, in order, with the amount."""
    messages = debt.rows(
        "SELECT kind, CAST(payload->>'amount' AS integer) FROM outbox_messages "
        "WHERE customer_id = :id AND kind LIKE 'refund%' ORDER BY id"
    )
    return [(kind, amount) for kind, amount in messages]


def refunded(debt: Debt) -> dict[str, int]:
    return {name: capture.refunded for name, capture in debt.captures()}


def announced(debt: Debt, gateway: str) -> list[dict[str, Any]]:
    """The events of the gateway about refunds of this debt, oldest first."""
    books = debt.gateways[gateway].books  # type: ignore[attr-defined]
    with books.connect() as connection:
        found = connection.execute(
            text(
                "SELECT event_id AS id, kind, charge_key, gateway_ref, status, decline_code, amount, currency "
                "FROM simulator.events WHERE charge_key LIKE :key AND kind LIKE 'refund%' ORDER BY events.id"
            ),
            {"key": f"%{debt.name}%"},
        )
        return [dict(row) for row in found.mappings()]


async def deliver(engine: Engine, gateway: str, events: Sequence[dict[str, Any]]) -> list[bool]:
    answers = []
    for event in events:
        body = json.dumps(event).encode()
        headers = {signatures.HEADER: signatures.sign(SECRET, body, datetime.now(UTC))}
        answers.append(await webhooks.receive(engine, gateway, body, headers))
    return answers


def test_a_refund_goes_to_the_gateway_that_took_the_money(two: Engine) -> None:
    debt = paid(two, "pm_card_outage_9")
    credit(debt, 500)
    assert refunded(debt) == {SECOND: 500}
    assert [(row.status, row.gateway) for row in rows(debt)] == [("succeeded", SECOND)]
    assert debt.cash() == {f"cash:{SECOND}": AMOUNT - 500}


@pytest.mark.parametrize("n", range(1, 7))
def test_a_refund_whose_worker_is_killed_is_found_again_where_it_is(two: Engine, n: int) -> None:
    debt, key = paid(two, "pm_card_outage_9"), f"credit:{uuid4().hex}"
    with pytest.raises(Killed):
        credit(debt, 700, key, kill_at(n - 1))
    credit(debt, 700, key)
    assert refunded(debt) == {SECOND: 700}
    assert debt.cash() == {f"cash:{SECOND}": AMOUNT - 700}


async def test_a_pending_refund_stays_pending_until_its_webhook(two: Engine) -> None:
    debt = paid(two, "pm_card_refund_pending_0")
    credit(debt, 600)
    [row] = rows(debt)
    assert row.status == "pending"
    assert row.gateway_ref
    assert debt.cash() == {f"cash:{FIRST}": AMOUNT}, "it counts as sent when it has been"
    assert announced(debt, FIRST) == []

    debt.gateways[FIRST].find_refund(row.key)  # the bank has made up its mind
    events = announced(debt, FIRST)
    assert [event["kind"] for event in events] == ["refund_succeeded"]
    assert await deliver(two, FIRST, [*events, *events]) == [True, False]
    assert [row.status for row in rows(debt)] == ["succeeded"]
    assert debt.cash() == {f"cash:{FIRST}": AMOUNT - 600}
    assert refunded(debt) == {FIRST: 600}


async def test_a_pending_refund_that_fails_is_the_customers_credit(two: Engine) -> None:
    debt = paid(two, "pm_card_refund_pending_fails_0")
    credit(debt, 600)
    assert (balance(debt), refunded(debt)) == (0, {FIRST: 600})
    debt.gateways[FIRST].find_refund(rows(debt)[0].key)
    events = announced(debt, FIRST)
    assert await deliver(two, FIRST, events) == [True]
    assert [row.status for row in rows(debt)] == ["failed"]
    assert (balance(debt), refunded(debt)) == (600, {FIRST: 0})
    assert debt.cash() == {f"cash:{FIRST}": AMOUNT}
    assert told(debt) == [("refund_credited", 600)]


async def test_a_webhook_that_never_comes_is_made_good_by_a_look(two: Engine) -> None:
    debt = paid(two, "pm_card_refund_pending_0")
    credit(debt, 600)
    assert await refunds.look_up_all(two) >= 1
    assert [row.status for row in rows(debt)] == ["succeeded"]
    before = debt.cash()
    await deliver(two, FIRST, announced(debt, FIRST))  # and late, after all
    assert debt.cash() == before == {f"cash:{FIRST}": AMOUNT - 600}


async def test_an_early_webhook_changes_nothing(two: Engine) -> None:
    """It says that the refund has ended; the gateway, asked, says that it has not."""
    debt = paid(two, "pm_card_refund_pending_999999")
    credit(debt, 600)
    [row] = rows(debt)
    told = {"id": f"evt_{uuid4().hex}", "kind": "refund_failed", "gateway_ref": row.gateway_ref}
    charge = {"charge_key": f"charge:{debt.invoice}:1", "status": None, "decline_code": "x", "amount": 600}
    assert await deliver(two, FIRST, [told | charge | {"currency": "USD"}]) == [True]
    assert [row.status for row in rows(debt)] == ["pending"]
    assert await refunds.look_up_all(two) == 0


def test_a_pending_refund_is_not_sent_again(two: Engine) -> None:
    """The activity runs once more, after a reset for instance."""
    debt, key = paid(two, "pm_card_refund_pending_999999"), f"credit:{uuid4().hex}"
    for _ in range(3):
        credit(debt, 600, key)
    assert refunded(debt) == {FIRST: 600}
    assert len(rows(debt)) == 1


def test_twenty_at_once_never_give_back_more_than_was_taken(two: Engine) -> None:
    debt = paid(two, "pm_card_outage_9")

    keys = [f"credit:{uuid4().hex}" for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda key: credit(debt, 300, key), keys))
    assert sum(row.amount for row in rows(debt)) == AMOUNT
    assert {row.status for row in rows(debt)} == {"succeeded"}
    assert refunded(debt) == {SECOND: AMOUNT}
    assert debt.cash() == {f"cash:{SECOND}": 0}


def returned(debt: Debt) -> list[dict[str, Any]]:
    """The bank cannot take the newest refund of this debt; what its gateway tells of that."""
    *_, row = rows(debt)
    debt.gateways[row.gateway].return_refund(row.gateway_ref)  # type: ignore[attr-defined]
    return announced(debt, row.gateway)[-1:]


async def test_a_refund_that_comes_back_is_the_customers_credit_once(two: Engine) -> None:
    debt = paid(two)
    credit(debt, 600)
    assert debt.cash() == {f"cash:{FIRST}": AMOUNT - 600}
    events = returned(debt)
    assert [event["kind"] for event in events] == ["refund_failed"]
    again = [events[0] | {"id": f"evt_{uuid4().hex}"}]
    assert await deliver(two, FIRST, [*events, *events, *again]) == [True, False, True]
    assert [row.status for row in rows(debt)] == ["failed"]
    assert (balance(debt), refunded(debt)) == (600, {FIRST: 0})
    assert debt.cash() == {f"cash:{FIRST}": AMOUNT}
    [note] = debt.rows("SELECT total, refunded, credited FROM credit_notes WHERE customer_id = :id")
    assert tuple(note) == (600, 0, 600)
    assert told(debt) == [("refund_sent", 600), ("refund_credited", 600)]


async def test_late_news_that_it_was_sent_does_not_take_the_credit_away(two: Engine) -> None:
    debt = paid(two, "pm_card_refund_pending_0")
    credit(debt, 600)
    debt.gateways[FIRST].find_refund(rows(debt)[0].key)
    sent = announced(debt, FIRST)
    await deliver(two, FIRST, sent)
    await deliver(two, FIRST, returned(debt))
    await deliver(two, FIRST, [sent[0] | {"id": f"evt_{uuid4().hex}"}])
    assert [row.status for row in rows(debt)] == ["failed"]
    assert (balance(debt), debt.cash()) == (600, {f"cash:{FIRST}": AMOUNT})


async def test_a_refund_that_came_back_can_be_given_again_and_no_more_than_that(two: Engine) -> None:
    """The charge has room again, but the lines of the invoice were taken back: the customer has credit for them."""
    debt = paid(two)
    credit(debt, AMOUNT)
    await deliver(two, FIRST, returned(debt))
    credit(debt, AMOUNT)
    assert [row.status for row in rows(debt)] == ["failed"]
    assert (balance(debt), refunded(debt)) == (AMOUNT, {FIRST: 0})


@pytest.mark.parametrize(
    ("told", "news", "left"),
    [
        ([False, False, True], [True, False, False], (600, 0)),
        ([True, True, False, False, True], [True, False, True, False, False], (600, 0)),
        ([True, True], [True, False], (0, 600)),
    ],
)
async def test_whoever_comes_second_with_an_end_that_is_known_books_nothing(
    two: Engine, told: list[bool], news: list[bool], left: tuple[int, int]
) -> None:
    """All have asked the gateway before the first one has written its answer down."""
    debt = paid(two, "pm_card_refund_pending_999999")
    credit(debt, 600)
    [standing] = await two.read(
        lambda session: credit_notes.standing_of_charge(session, FIRST, f"charge:{debt.invoice}:1")
    )

    def finish(session: Session, *, succeeded: bool) -> bool:
        return credit_notes.finish(session, standing, "re_1", NOW, succeeded=succeeded)

    assert [await two.write(partial(finish, succeeded=each)) for each in told] == news
    credited, sent = left
    assert (balance(debt), debt.cash()) == (credited, {f"cash:{FIRST}": AMOUNT - sent})
    assert [row.status for row in rows(debt)] == ["failed" if credited else "succeeded"]


async def test_that_it_was_sent_and_that_it_came_back_are_heard_at_once(two: Engine) -> None:
    """Whoever is second waits for the first, and books what follows from that."""
    debt = paid(two, "pm_card_refund_pending_999999")
    credit(debt, 600)
    [standing] = await two.read(
        lambda session: credit_notes.standing_of_charge(session, FIRST, f"charge:{debt.invoice}:1")
    )

    def fail() -> bool:
        with unit_of_work(two.sessions) as session:
            return credit_notes.finish(session, standing, "re_1", NOW, succeeded=False)

    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(two.sessions) as session:
            assert credit_notes.finish(session, standing, "re_1", NOW, succeeded=True)
            session.flush()
            other = pool.submit(fail)
            assert waits(other)
        assert other.result(10)
    assert (balance(debt), debt.cash()) == (600, {f"cash:{FIRST}": AMOUNT})
    assert [row.status for row in rows(debt)] == ["failed"]


async def test_ten_at_once_who_hear_of_it_book_it_once(two: Engine) -> None:
    debt = paid(two)
    credit(debt, 600)
    told = returned(debt)
    news = [[told[0] | {"id": f"evt_{uuid4().hex}"}] for _ in range(10)]
    await asyncio.gather(*(deliver(two, FIRST, each) for each in news))
    assert (balance(debt), debt.cash()) == (600, {f"cash:{FIRST}": AMOUNT})


async def test_the_reconciler_books_it_when_the_news_was_lost(two: Engine) -> None:
    debt = paid(two)
    credit(debt, 600)
    returned(debt)
    charge = f"charge:{debt.invoice}:1"
    await repair(two, f"gateway:{FIRST}", [Found("refund_differs", charge, "it refunded 0, 600 are posted")])
    assert [row.status for row in rows(debt)] == ["failed"]
    assert (balance(debt), debt.cash()) == (600, {f"cash:{FIRST}": AMOUNT})

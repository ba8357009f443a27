"""Disputes of the time that a restore has lost: what is booked, on which day, and what nobody knows any more."""

from datetime import UTC, datetime, timedelta
from typing import Any

from perennial.backup.disputes import Disputes
from perennial.domain import keys
from perennial.domain.disputes import DisputeStatus
from perennial.domain.subscription.commands import DisputeEvent
from perennial.engine.context import Engine
from perennial.gateways.enabled import Gateways
from perennial.gateways.simulator import SimulatorGateway
from tests.support.executions import NOW, Debt

HEARD = NOW + timedelta(days=9)


def heard(dispute: str, invoice: str = "invoice:of:nobody") -> DisputeEvent:
    return DisputeEvent(
        request_id=f"webhook:{dispute}",
        at=HEARD,
        invoice=invoice,
        dispute=dispute,
        status=DisputeStatus.OPEN,
        told_at=datetime.now(UTC) - timedelta(minutes=1),
    )


async def test_a_dispute_is_booked_as_it_was_heard_of_and_then_as_its_gateway_has_it(paper_books: Engine) -> None:
    names = ("simulator", "simulator_2")
    gateways = [SimulatorGateway(paper_books.db, webhook_secret="whsec_of_nobody", name=name) for name in names]
    for gateway in gateways:
        gateway.create_schema()
    debt = Debt(paper_books, Gateways(*gateways), ("pm_card_visa", "pm_card_visa"))
    debt.bill()
    debt.paid_once()
    [(_, capture)] = debt.captures()
    ref = gateways[0].dispute(capture.gateway_ref)
    gateways[0].decide_dispute(capture.gateway_ref, won=False)
    dispute = keys.document_id("dp", keys.dispute(capture.charge_key, ref))

    def rows() -> list[Any]:
        return debt.rows("SELECT status, opened_at, closed_at FROM disputes WHERE customer_id = :id")

    found = Disputes(paper_books, datetime.now(UTC) - timedelta(hours=1))
    found.hear(heard(dispute, debt.invoice))
    found.hear(heard("dp_of_nobody"))
    assert [tuple(row) for row in rows()] == [("open", HEARD, None)]
    found.rest()
    assert [(row.status, row.opened_at) for row in rows()] == [("lost", HEARD)]
    assert dispute in found.booked
    assert found.lost == {"dp_of_nobody"}

    again = Disputes(paper_books, datetime.now(UTC) - timedelta(hours=1))
    again.hear(heard(dispute, debt.invoice))
    again.rest()
    assert (again.booked, again.lost) == (set(), set())
    assert [row.status for row in rows()] == ["lost"]

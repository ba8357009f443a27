"""Disputes of the time that a restore has lost: what is booked, on which day, and what nobody knows any more."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perennial.backup.disputes import Disputes
from perennial.domain import keys
from perennial.domain.disputes import DisputeStatus
from perennial.domain.subscription.commands import DisputeEvent
from perennial.engine.context import Engine
from perennial.gateways.enabled import Gateways
from perennial.gateways.simulator import SimulatorGateway
from perennial.gateways.simulator.witness import Capture
from tests.support.executions import NOW, Debt

OPEN, WON = DisputeStatus.OPEN, DisputeStatus.WON
HEARD = NOW + timedelta(days=9)


@pytest.fixture
def debt(paper_books: Engine) -> Debt:
    """Paid at the primary gateway."""
    names = ("simulator", "simulator_2")
    gateways = [SimulatorGateway(paper_books.db, webhook_secret="whsec_of_nobody", name=name) for name in names]
    for gateway in gateways:
        gateway.create_schema()
    debt = Debt(paper_books, Gateways(*gateways), ("pm_card_visa", "pm_card_visa"))
    debt.bill()
    debt.paid_once()
    return debt


@dataclass(frozen=True)
class Bank:
    """What becomes of a dispute at the gateway while nobody of ours hears of it. It is opened at once."""

    debt: Debt
    gateway: SimulatorGateway
    charge: Capture
    dispute: str

    @classmethod
    def of(cls, debt: Debt) -> "Bank":
        [(_, charge)] = debt.captures()
        gateway = debt.gateways.primary
        assert isinstance(gateway, SimulatorGateway)
        ref = gateway.dispute(charge.gateway_ref)
        return cls(debt, gateway, charge, keys.document_id("dp", keys.dispute(charge.charge_key, ref)))

    def heard(self, status: DisputeStatus) -> DisputeEvent:
        """As the history of a subscription has it."""
        return heard(self.dispute, self.debt.invoice, status)

    def row(self) -> Any:
        [row] = self.debt.rows("SELECT status, opened_at, closed_at FROM disputes WHERE customer_id = :id")
        return row


def heard(dispute: str, invoice: str, status: DisputeStatus) -> DisputeEvent:
    told_at = datetime.now(UTC)
    return DisputeEvent(
        request_id=f"webhook:{dispute}", at=HEARD, invoice=invoice, dispute=dispute, status=status, told_at=told_at
    )


def recovery(engine: Engine) -> Disputes:
    return Disputes(engine, datetime.now(UTC) - timedelta(hours=1))


async def test_a_dispute_is_booked_as_it_was_heard_of_and_then_as_its_gateway_has_it(
    paper_books: Engine, debt: Debt
) -> None:
    bank = Bank.of(debt)
    opened = bank.heard(OPEN)
    bank.gateway.decide_dispute(bank.charge.gateway_ref, won=False)
    found = recovery(paper_books)
    found.hear(opened)
    found.hear(heard("dp_of_nobody", "invoice:of:nobody", OPEN))
    assert tuple(bank.row()) == ("open", HEARD, None)
    found.rest()
    assert (bank.row().status, bank.row().opened_at) == ("lost", HEARD)
    assert bank.dispute in found.booked
    assert found.lost == {"dp_of_nobody"}

    again = recovery(paper_books)
    again.hear(opened)
    again.rest()
    assert (again.booked, again.lost, bank.row().status) == (set(), set(), "lost")


async def test_a_decision_that_was_reversed_in_the_time_that_was_lost_is_reversed(
    paper_books: Engine, debt: Debt
) -> None:
    bank = Bank.of(debt)
    bank.gateway.decide_dispute(bank.charge.gateway_ref, won=True)
    won = bank.heard(WON)
    bank.gateway.reverse_dispute(bank.charge.gateway_ref)
    found = recovery(paper_books)
    found.hear(won)
    assert bank.row().status == "won"
    found.rest()
    assert bank.row().status == "lost"

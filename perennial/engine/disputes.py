"""What gateways say of disputes: booked first, whoever is concerned; then told to the subscription, if it is one's.

The money moves at the bank, whatever we think of it, so the books do not wait for a workflow: the charge of a gift, of
a one-off invoice or of a subscription that has ended is booked as well. What follows is the subscription's decision.
"""

import asyncio
from datetime import datetime

import structlog
from sqlalchemy.orm import Session
from temporalio.service import RPCError, RPCStatusCode

from perennial.db.models import Gift, Invoice, OneOffInvoice, PaymentAttempt, Subscription, TestClock
from perennial.db.repositories import disputes
from perennial.db.repositories.disputes import Booked, News
from perennial.domain import keys
from perennial.domain.disputes import DisputeStatus
from perennial.domain.errors import NotFound
from perennial.domain.subscription.commands import DisputeEvent
from perennial.engine import runs
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call
from perennial.gateways.simulator import SimulatorGateway
from perennial.ports import GatewayEvent, GatewayEventKind

_log = structlog.get_logger(__name__)

_STATUS = {
    GatewayEventKind.DISPUTE_OPENED: DisputeStatus.OPEN,
    GatewayEventKind.DISPUTE_WON: DisputeStatus.WON,
    GatewayEventKind.DISPUTE_LOST: DisputeStatus.LOST,
}


def is_dispute(event: GatewayEvent) -> bool:
    return event.kind in _STATUS


async def hear(engine: Engine, gateway: str, event: GatewayEvent) -> None:
    """Book it and pass it on; safe to repeat. A dispute of a charge that is none of ours changes nothing.

    Raises:
        EngineUnavailable: the gateway has to send it again.
    """
    booked = await engine.write(lambda session: book(engine, session, gateway, event))
    if booked is None:
        return
    _log.warning("charge_disputed", gateway=gateway, dispute=booked.id, status=booked.status.value)
    if booked.subscription_id is None:
        return
    message = DisputeEvent(
        request_id=f"webhook:{gateway}:{event.event_id}",
        at=booked.at,  # a story that is told again freezes and thaws on the same days
        actor=gateway,
        invoice=booked.invoice_key,
        dispute=booked.id,
        status=booked.status,
        told_at=booked.told_at,
    )
    handle = engine.temporal.get_workflow_handle(booked.subscription_id)
    try:
        await temporal_call(handle.signal("dispute_event", message, rpc_timeout=RPC_TIMEOUT))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        if await _repaired(engine, booked.subscription_id):
            await temporal_call(handle.signal("dispute_event", message, rpc_timeout=RPC_TIMEOUT))


async def simulate(engine: Engine, payment_id: str, outcome: DisputeStatus, reason: str = "fraudulent") -> str:
    """What a cardholder (`open`) or their bank does at the simulator; answers the gateway's id of the dispute.

    Raises:
        NotFound: no such payment, or it was not made there.
        GatewayRefused: it cannot be disputed, or nothing is left to decide.
    """
    row = await engine.read(lambda session: session.get(PaymentAttempt, payment_id))
    gateway = engine.gateways.find(row.gateway) if row else None
    if row is None or not isinstance(gateway, SimulatorGateway) or not row.gateway_ref:
        raise NotFound("payment at the simulator", payment_id)
    ref = row.gateway_ref
    if outcome is DisputeStatus.OPEN:
        return await asyncio.to_thread(gateway.dispute, ref, reason)
    return await asyncio.to_thread(gateway.decide_dispute, ref, won=outcome is DisputeStatus.WON)


def book(
    engine: Engine, session: Session, gateway: str, event: GatewayEvent, at: datetime | None = None
) -> Booked | None:
    """`at`: domain time, else when it is heard. None when the charge is none of ours, or nothing was taken."""
    if event.charge_key is None or event.amount <= 0:
        return None
    return disputes.book(
        session,
        News(
            gateway=gateway,
            gateway_ref=event.gateway_ref,
            charge_key=event.charge_key,
            status=_STATUS[event.kind],
            amount=event.amount,
            currency=event.currency,
            reason=event.decline_code,
            at=at or domain_time(engine, session, event.charge_key),
            told_at=event.at,
        ),
    )


def domain_time(engine: Engine, session: Session, charge_key: str) -> datetime:
    """When it is heard: now, or where the test clock stands that the charge lives on. A clock that moves is no reason
    to refuse news: it is dated where the clock has been.
    """
    try:
        invoice = session.get(Invoice, keys.invoice_id(keys.parse_charge(charge_key)[0]))
    except ValueError:
        invoice = None
    owner: Subscription | Gift | OneOffInvoice | None = None
    if invoice and invoice.subscription_id:
        owner = session.get(Subscription, invoice.subscription_id)
    elif invoice and invoice.gift_id:
        owner = session.get(Gift, invoice.gift_id)
    elif invoice:
        owner = session.get(OneOffInvoice, invoice.id)
    clock = session.get(TestClock, owner.test_clock_id) if owner and owner.test_clock_id else None
    return clock.now if clock else engine.clock()


async def _repaired(engine: Engine, subscription_id: str) -> bool:
    """False when it has ended: then nothing follows but in the books."""
    row = await engine.read(lambda session: session.get(Subscription, subscription_id))
    if row is None or row.ended_at:
        return False
    await runs.repair(engine, row)
    return True

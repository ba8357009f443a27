"""Webhooks in: verify, store the raw event under the gateway's own id, pass it on as a message to the workflow."""

import asyncio
import json
from collections.abc import Mapping

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session
from temporalio.service import RPCError, RPCStatusCode

from perennial.db.models import Subscription, WebhookEvent
from perennial.domain import keys
from perennial.domain.errors import NotFound
from perennial.domain.subscription.commands import PaymentEvent
from perennial.engine import cards, disputes, gifts, one_off, refunds, runs
from perennial.engine.context import RPC_TIMEOUT, Engine, temporal_call
from perennial.ports import GatewayEvent, GatewayEventKind


async def receive(engine: Engine, gateway: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """False when the event has been seen before. An event that was stored but not passed on is passed on now.

    Raises:
        NotFound: no such gateway is enabled.
        InvalidSignature: nothing is stored.
        EngineUnavailable: the gateway has to send it again.
    """
    sender = engine.gateways.find(gateway)
    if sender is None:
        raise NotFound("gateway", gateway)
    # An adapter may have to look up whose event it is.
    event = await asyncio.to_thread(sender.parse_webhook, body, headers)
    if not await engine.write(lambda session: _store(engine, session, gateway, event, body)):
        return False
    await _forward(engine, gateway, event)
    await engine.write(lambda session: _mark_forwarded(engine, session, gateway, event))
    return True


def _store(engine: Engine, session: Session, gateway: str, event: GatewayEvent, body: bytes) -> bool:
    """Whether it still has to be passed on."""
    session.execute(
        upsert(WebhookEvent)
        .values(
            gateway=gateway,
            event_id=event.event_id,
            kind=event.kind.value,
            charge_key=event.charge_key,
            body=json.loads(body),
            received_at=engine.clock(),
        )
        .on_conflict_do_nothing(index_elements=["gateway", "event_id"])
    )
    forwarded = session.scalar(
        select(WebhookEvent.forwarded_at).where(
            WebhookEvent.gateway == gateway, WebhookEvent.event_id == event.event_id
        )
    )
    return forwarded is None


def _mark_forwarded(engine: Engine, session: Session, gateway: str, event: GatewayEvent) -> None:
    session.execute(
        update(WebhookEvent)
        .where(WebhookEvent.gateway == gateway, WebhookEvent.event_id == event.event_id)
        .values(forwarded_at=engine.clock())
        .execution_options(synchronize_session=False)
    )


async def _forward(engine: Engine, gateway: str, event: GatewayEvent) -> None:
    """To the subscription, gift or one-off invoice that it charges; what belongs to nobody is kept, nothing more."""
    if disputes.is_dispute(event):
        await disputes.hear(engine, gateway, event)
        return
    if refunds.is_refund(event):
        await refunds.hear(engine, gateway, event)
        return
    if event.kind is GatewayEventKind.CARD_UPDATED:
        await cards.refresh(engine, gateway, event.gateway_ref)
        return
    try:
        invoice, attempt = keys.parse_charge(event.charge_key or "")
    except ValueError:
        return
    subject = keys.invoice_subject(invoice)
    request_id = f"webhook:{gateway}:{event.event_id}"
    # Without an instant: the gateway speaks when it likes, and what it says counts when it arrives.
    message = PaymentEvent(request_id=request_id, actor=gateway, invoice=invoice, attempt=attempt)
    handle = engine.temporal.get_workflow_handle(subject)
    try:
        await temporal_call(handle.signal("payment_event", message, rpc_timeout=RPC_TIMEOUT))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        if await _repaired(engine, subject):
            await temporal_call(handle.signal("payment_event", message, rpc_timeout=RPC_TIMEOUT))


async def _repaired(engine: Engine, subject: str) -> bool:
    """False when it has ended: then no payment of it is open."""
    row = await engine.read(lambda session: session.get(Subscription, subject))
    if row is None:
        return await gifts.repair(engine, subject) or await one_off.repair(engine, subject)
    if row.ended_at:
        return False
    await runs.repair(engine, row)
    return True
